/* SPDX-License-Identifier: Apache-2.0 */
/* The one list of options: what the code asks for, the sample file and the manual page come from here.
 * Names, types and defaults are Glance 33's and oslo's (their sample files); [glint] is ours, and
 * bind_*, workers, backlog and the certificate options are those of the Glance releases that listened by
 * themselves. */
#include "conf/conf.h"

/* clang-format off */
#define UNBOUNDED_FROM(n)      .min = (n), .max = INT64_MAX
#define ACCEPTED(g, n)         { g, n, OPTION_STRING, .flags = OPTION_NO_EFFECT }
#define ACCEPTED_SECRET(g, n)  { g, n, OPTION_STRING, .flags = OPTION_NO_EFFECT | OPTION_SECRET }
#define ACCEPTED_STORE(n)      { "*", n, OPTION_STRING, .flags = OPTION_NO_EFFECT | OPTION_ANY_GROUP }
#define ACCEPTED_STORE_SECRET(n) \
    { "*", n, OPTION_STRING, .flags = OPTION_NO_EFFECT | OPTION_ANY_GROUP | OPTION_SECRET }
/* clang-format on */

const struct option conf_options[] = {
    /* ---- listening ---- */
    { "DEFAULT", "bind_host", OPTION_STRING, "0.0.0.0", .flags = OPTION_RESTART,
      .help = "Address or name to listen on; * or :: for every address. 127.0.0.1 when there is no "
              "configuration file. Ignored when systemd hands over sockets. Empty: no HTTP over TCP, only "
              "what [glint] bind_unix, bind_uwsgi or bind_uwsgi_unix name." },
    { "DEFAULT", "bind_port", OPTION_PORT, "9292", .flags = OPTION_RESTART,
      .help = "TCP port to listen on; 0 lets the kernel choose one." },
    { "DEFAULT", "backlog", OPTION_INT, "4096", UNBOUNDED_FROM(1), .flags = OPTION_RESTART,
      .help = "Connections that the kernel keeps waiting for each listening socket." },
    { "DEFAULT", "workers", OPTION_INT, "0", .min = 0, .max = 1024, .flags = OPTION_RESTART,
      .help = "Event loops that watch connections; 0 means one for each processor. One process serves "
              "all of them: where Glance needed processes, threads do here." },
    { "DEFAULT", "cert_file", OPTION_STRING, NULL,
      .help = "Certificate chain (PEM) for TLS on the TCP listener. Unset: plain HTTP. Read again on "
              "reload.",
      .old = "ssl/cert_file" },
    { "DEFAULT", "key_file", OPTION_STRING, NULL, .help = "Private key (PEM) of cert_file.",
      .old = "ssl/key_file" },
    { "DEFAULT", "ca_file", OPTION_STRING, NULL,
      .help = "Certificates (PEM) of authorities that clients must have a certificate from. Unset: no "
              "client certificates.",
      .old = "ssl/ca_file" },
    { "DEFAULT", "public_endpoint", OPTION_STRING, NULL,
      .help = "URL prefix of the links in the versions document, for a service behind a proxy. Unset: "
              "as the request named the service." },
    { "DEFAULT", "worker_self_reference_url", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help =
          "URL by which the other hosts of the service reach this one: http://host:port, with a path where a "
          "web server serves it below one. An import and a deletion of an image that one host has staged "
          "are passed on to it. Unset: public_endpoint, which is the same on all." },

    /* ---- logging ---- */
    { "DEFAULT", "debug", OPTION_BOOL, "false", .help = "Log debug messages too." },
    { "DEFAULT", "log_file", OPTION_STRING, NULL,
      .help = "File to log to; relative names are below log_dir. Unset: standard error. SIGHUP and "
              "SIGUSR1 reopen it.",
      .old = "DEFAULT/logfile" },
    { "DEFAULT", "log_dir", OPTION_STRING, NULL,
      .help = "Directory of log_file; without log_file the log is glance-api.log in it.",
      .old = "DEFAULT/logdir" },

    /* ---- the Images API ---- */
    { "DEFAULT", "hashing_algorithm", OPTION_STRING, "sha512",
      .choices =
          "md5|sha1|sha224|sha256|sha384|sha512|sha512_224|sha512_256|sha3_224|sha3_256|sha3_384|sha3_512|"
          "blake2b|blake2s|sm3",
      .help = "Digest of image data that os_hash_algo and os_hash_value tell, next to the MD5 checksum." },
    { "DEFAULT", "image_size_cap", OPTION_INT, "1099511627776", UNBOUNDED_FROM(1),
      .help = "Largest image in bytes." },
    { "DEFAULT", "user_storage_quota", OPTION_QUOTA, "0",
      .help = "What one project's images may occupy together; 0 means no limit." },
    { "DEFAULT", "image_property_quota", OPTION_INT, "128",
      .help = "Custom properties an image may have; negative means no limit." },
    { "DEFAULT", "property_protection_file", OPTION_STRING, NULL,
      .help =
          "File that says who may create, read, update and delete which custom properties: sections are "
          "regular expressions for names, the first that matches decides, none means nobody. Without a "
          "directory it is looked for beside the configuration files. Unset: properties are not protected." },
    { "DEFAULT", "property_protection_rule_format", OPTION_STRING, "roles", .choices = "roles|policies",
      .help = "What property_protection_file names: roles, comma-separated, or one policy rule each." },
    { "DEFAULT", "image_tag_quota", OPTION_INT, "128",
      .help = "Tags an image may have; negative means no limit." },
    { "DEFAULT", "image_member_quota", OPTION_INT, "128",
      .help = "Projects an image may be shared with; negative means no limit." },
    { "DEFAULT", "limit_param_default", OPTION_INT, "25", UNBOUNDED_FROM(1),
      .help = "Page size of a listing whose request names none." },
    { "DEFAULT", "api_limit_max", OPTION_INT, "1000", UNBOUNDED_FROM(1),
      .help = "Largest page size that a request may ask for." },
    { "DEFAULT", "allow_anonymous_access", OPTION_BOOL, "false",
      .help = "With the context filter: let requests without an identity read public images." },
    { "DEFAULT", "max_request_id_length", OPTION_INT, "64", .min = 0, .max = 16384,
      .help = "Longer X-OpenStack-Request-ID values of clients are refused." },
    { "DEFAULT", "show_image_direct_url", OPTION_BOOL, "false",
      .help = "Tell clients where image data is stored (direct_url)." },
    { "DEFAULT", "show_multiple_locations", OPTION_BOOL, "false",
      .help = "Tell clients all locations of image data, and let them change these by PATCH." },
    { "DEFAULT", "image_location_quota", OPTION_INT, "10",
      .help = "Locations an image may have; negative means no limit." },
    { "DEFAULT", "do_secure_hash", OPTION_BOOL, "true",
      .help =
          "Read the data of locations added by POST /v2/images/{id}/locations for its hashes. false: take "
          "those that the client gives." },
    { "DEFAULT", "http_retries", OPTION_INT, "3", .min = 0, .max = 1000, .flags = OPTION_RESTART,
      .help = "How often reading such data is tried." },
    { "DEFAULT", "enabled_import_methods", OPTION_BOUNDED_LIST, "[glance-direct,web-download,copy-image]",
      .choices = "glance-direct|web-download|copy-image|glance-download",
      .help = "Import methods that are offered to clients." },
    { "DEFAULT", "node_staging_uri", OPTION_STRING, "file:///tmp/staging/", .flags = OPTION_RESTART,
      .help =
          "Directory, as a file:// URL, where data waits that is to be imported. With enabled_backends it is "
          "filesystem_store_datadir of [os_glance_staging_store]." },
    { "image_import_opts", "max_parallel_stores", OPTION_INT, "1", .min = 1, .max = 64,
      .flags = OPTION_RESTART,
      .help = "How many stores an import writes at once, from one reading of its data." },
    { "task", "task_time_to_live", OPTION_INT, "48", .min = 0, .max = 24 * 366 * 100,
      .help = "Hours for which a task that has ended is shown.", .old = "DEFAULT/task_time_to_live" },
    { "task", "work_dir", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "Directory for the data of tasks of type import on their way. Where it is set, or there are "
              "several stores, what the data are found to be becomes the image's disk_format. Unset: where "
              "imports are staged." },
    { "image_format", "disk_formats", OPTION_LIST, "ami,ari,aki,vhd,vhdx,vmdk,raw,qcow2,vdi,iso,ploop",
      .help = "Values that disk_format may have.", .old = "DEFAULT/disk_formats" },
    { "image_format", "container_formats", OPTION_LIST, "ami,ari,aki,bare,ovf,ova,docker,compressed",
      .help = "Values that container_format may have.", .old = "DEFAULT/container_formats" },
    { "image_format", "require_image_format_match", OPTION_BOOL, "true",
      .help = "Refuse data whose content is of another format than the image's disk_format." },
    { "image_format", "gpt_safety_checks_nonfatal", OPTION_LIST, "",
      .help = "Checks of partition tables that only warn: mbr, gptmbr." },
    { "image_format", "vmdk_allowed_types", OPTION_LIST, "streamOptimized,monolithicSparse",
      .help = "VMDK create types that are accepted." },

    /* ---- the database ---- */
    { "database", "connection", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "SQLAlchemy URL of the database: sqlite:////absolute/path or sqlite:///relative/path. "
              "Without any configuration file: glance.sqlite in the data directory.",
      .old = "DEFAULT/sql_connection,database/sql_connection,sql/connection" },
    { "database", "max_pool_size", OPTION_INT, "5", .min = 0, .max = 1024, .flags = OPTION_RESTART,
      .help = "Idle database connections that are kept.",
      .old = "DEFAULT/sql_max_pool_size,database/sql_max_pool_size" },

    /* ---- stores ---- */
    { "DEFAULT", "enabled_backends", OPTION_DICT, NULL, .flags = OPTION_RESTART,
      .help = "Several stores, as id:type pairs; each has a section of its id with the options of its type. "
              "Types: "
              "file, http. Unset: one store, as [glance_store] says." },
    { "glance_store", "default_backend", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "The one of enabled_backends that new image data goes to." },
    { "*", "store_description", OPTION_STRING, NULL, .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "What clients are told about the store." },
    { "*", "weight", OPTION_INT, "0", .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Data is read from the heaviest store that has it." },
    { "glance_store", "stores", OPTION_LIST, "file,http", .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Kinds of stores that images may be in." },
    { "glance_store", "default_store", OPTION_STRING, "file", .flags = OPTION_RESTART,
      .help = "Scheme of the store that new image data goes to.", .old = "DEFAULT/default_store" },
    { "*", "filesystem_store_datadir", OPTION_STRING, "/var/lib/glance/images",
      .flags = OPTION_RESTART | OPTION_ANY_GROUP, .help = "Directory of image files; made when absent.",
      .old = "DEFAULT/filesystem_store_datadir" },
    { "*", "filesystem_store_datadirs", OPTION_MULTI, NULL, .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Several directories, each path:priority. New files go to the highest priority, among "
              "equals to the most free space." },
    { "*", "filesystem_store_metadata_file", OPTION_STRING, NULL, .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "JSON file whose object is added to the metadata of new locations." },
    { "*", "filesystem_store_file_perm", OPTION_OCTAL, "0", .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Mode of image files; 0 leaves it to the umask." },
    { "*", "filesystem_store_chunk_size", OPTION_INT, "65536", UNBOUNDED_FROM(1),
      .flags = OPTION_RESTART | OPTION_ANY_GROUP, .help = "Bytes of one read or write of image data." },
    { "*", "filesystem_thin_provisioning", OPTION_BOOL, "false", .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Leave holes in image files where data is zero." },

    { "*", "https_ca_certificates_file", OPTION_STRING, NULL, .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Certificates (PEM) of authorities for locations at https servers; when set, https_insecure is "
              "not looked at." },
    { "*", "https_insecure", OPTION_BOOL, "true", .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Do not look at the certificates of https servers that locations point at." },
    { "*", "http_proxy_information", OPTION_DICT, "", .flags = OPTION_RESTART | OPTION_ANY_GROUP,
      .help = "Proxies for locations, as scheme:proxy pairs; unset: what the environment says." },
    { "image_import_opts", "image_import_plugins", OPTION_BOUNDED_LIST, "[]",
      .choices = "no_op|inject_image_metadata|image_decompression|image_conversion",
      .help = "What an import does to the data and the image between fetching and storing, in this order; "
              "copies of stored data are left alone. Any other name stops the start: the Python plugins of "
              "a Glance do not run here.",
      .flags = OPTION_RESTART },
    { "inject_metadata_properties", "ignore_user_roles", OPTION_LIST, "admin", .flags = OPTION_RESTART,
      .help = "inject_image_metadata leaves the images of whoever has one of these roles alone." },
    { "inject_metadata_properties", "inject", OPTION_DICT, "", .flags = OPTION_RESTART,
      .help = "Properties that inject_image_metadata sets, as name:value pairs; they replace what the image "
              "has." },
    { "image_conversion", "output_format", OPTION_STRING, "raw", .choices = "qcow2|raw|vmdk",
      .flags = OPTION_RESTART, .help = "What image_conversion makes of every image but those that are iso." },
    { "import_filtering_opts", "allowed_schemes", OPTION_BOUNDED_LIST, "[http,https]",
      .help = "Schemes of URLs that clients may name as sources; [] means all but disallowed_schemes." },
    { "import_filtering_opts", "disallowed_schemes", OPTION_BOUNDED_LIST, "[]",
      .help = "Schemes that are refused where allowed_schemes is empty." },
    { "import_filtering_opts", "allowed_hosts", OPTION_BOUNDED_LIST, "[]",
      .help = "Hosts that clients may name as sources; [] means all but disallowed_hosts. Only hosts named "
              "here may "
              "be this machine or on its link." },
    { "import_filtering_opts", "disallowed_hosts", OPTION_BOUNDED_LIST, "[]",
      .help = "Hosts, by name or address, that are refused where allowed_hosts is empty." },
    { "import_filtering_opts", "allowed_ports", OPTION_BOUNDED_LIST, "[80,443]",
      .help = "Ports that clients may name as sources; [] means all but disallowed_ports." },
    { "import_filtering_opts", "disallowed_ports", OPTION_BOUNDED_LIST, "[]",
      .help = "Ports that are refused where allowed_ports is empty." },
    { "glance_download_properties", "extra_properties", OPTION_BOUNDED_LIST,
      "[hw_,trait:,os_distro,os_secure_boot,os_type]",
      .help = "Beginnings of the names of properties that a glance-download copies from the other image." },
    { "glint", "import_private", OPTION_BOOL, "true",
      .help =
          "Let clients name sources (imports, tasks, locations) in private networks: 10.0.0.0/8, "
          "172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fc00::/7. It is on as in Glance, so that mirrors of "
          "the site are reached; new installations turn it off and name their mirrors. Never reached are "
          "this "
          "machine, its link, and hosts that this configuration names as the service's own (database, cache, "
          "broker, Keystone, stores), but for those that [import_filtering_opts] allowed_hosts names." },
    { "glint", "import_networks", OPTION_LIST, "",
      .help =
          "Networks (10.0.0.0/8, fd00::/8) or addresses that clients may name sources in although they are "
          "not public, where import_private is false, or which nobody should have (198.18.0.0/15). Loopback "
          "and link-local addresses have to be named by a network of nothing else (127.0.0.2)." },
    { "glint", "import_proxy", OPTION_STRING, "",
      .help = "Proxy by which imports fetch, http://host:port. It resolves the names, so that it has to keep "
              "what it reaches to itself. Empty: none, whatever the environment says." },
    { "glint", "import_ca_file", OPTION_STRING, NULL,
      .help = "Certificates (PEM) of the authorities that vouch for the servers which imports fetch from by "
              "https. Unset: the system's." },
    { "glint", "import_timeout", OPTION_INT, "86400", UNBOUNDED_FROM(1), .flags = OPTION_RESTART,
      .help = "Seconds that one try to fetch an image may take, for an import or from an http store." },
    { "glint", "import_rate_min", OPTION_INT, "1024", UNBOUNDED_FROM(0), .flags = OPTION_RESTART,
      .help = "Bytes a second that a server has to give, over each fetch_timeout of waiting for it; 0 means "
              "any." },

    /* ---- the pipeline, identity, health ---- */
    { "paste_deploy", "flavor", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "Which pipeline of the paste file serves: empty for the one without authentication." },
    { "paste_deploy", "config_file", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "The paste file. Unset: the one beside the last configuration file (glance-api.conf: "
              "glance-api-paste.ini), else Glance 33's shipped one, which is built in." },
    { "oslo_policy", "enforce_new_defaults", OPTION_BOOL, "true",
      .help = "Decide by the present defaults alone. false: a default that replaced an older one lets whom "
              "either lets. Without any configuration file it is false." },
    { "oslo_policy", "policy_file", OPTION_STRING, "policy.yaml",
      .help =
          "File of rules that take the place of defaults, in YAML or JSON. Without a directory it is looked "
          "for beside the configuration files; it may be absent. It is read again when it changes.",
      .old = "DEFAULT/policy_file" },
    { "oslo_policy", "policy_dirs", OPTION_MULTI, "policy.d",
      .help =
          "Directories whose files, in the order of their names, are read after policy_file; rules of later "
          "files win. A directory may be absent.",
      .old = "DEFAULT/policy_dirs" },
    { "oslo_policy", "policy_default_rule", OPTION_STRING, "default",
      .help = "Rule that stands in for one that is referred to and defined nowhere.",
      .old = "DEFAULT/policy_default_rule" },
    { "oslo_policy", "remote_content_type", OPTION_STRING, "application/x-www-form-urlencoded",
      .choices = "application/x-www-form-urlencoded|application/json",
      .help = "How http: and https: checks send rule, target and credentials." },
    { "oslo_policy", "remote_timeout", OPTION_FLOAT, "60", .min = 0, .max = 3600,
      .help = "Seconds that the server of an http: or https: check may take; after that the check denies." },
    { "oslo_policy", "remote_ssl_verify_server_crt", OPTION_BOOL, "false",
      .help = "Look at the certificate of the server of https: checks." },
    { "oslo_policy", "remote_ssl_ca_crt_file", OPTION_STRING, NULL,
      .help = "Certificates (PEM) of authorities for remote_ssl_verify_server_crt; unset: the system's." },
    { "oslo_policy", "remote_ssl_client_crt_file", OPTION_STRING, NULL,
      .help = "Certificate (PEM) that https: checks show." },
    { "oslo_policy", "remote_ssl_client_key_file", OPTION_STRING, NULL,
      .help = "Private key (PEM) of remote_ssl_client_crt_file." },
    { "oslo_middleware", "enable_proxy_headers_parsing", OPTION_BOOL, "false",
      .help = "Let the http_proxy_to_wsgi filter believe Forwarded and X-Forwarded-* headers." },
    { "cors", "allowed_origin", OPTION_LIST, NULL,
      .help = "Origins (scheme://host[:port], compared as written) whose pages may read answers; * for every "
              "one. Unset: none. All [cors] options may stand in the cors filter's section of the paste file "
              "too, which then wins." },
    { "cors", "allow_credentials", OPTION_BOOL, "true",
      .help = "Tell browsers that they may send credentials with such requests." },
    { "cors", "expose_headers", OPTION_LIST,
      "X-Image-Meta-Checksum,X-Auth-Token,X-Subject-Token,X-Service-Token,X-OpenStack-Request-ID",
      .help = "Headers of answers that pages may read beyond those that they always may." },
    { "cors", "max_age", OPTION_INT, "3600",
      .help = "Seconds for which browsers may keep the answer to a preflight; 0 leaves it to them." },
    { "cors", "allow_methods", OPTION_LIST, "GET,PUT,POST,DELETE,PATCH",
      .help = "Methods that pages may use." },
    { "cors", "allow_headers", OPTION_LIST,
      "Content-MD5,X-Image-Meta-Checksum,X-Storage-Token,Accept-Encoding,X-Auth-Token,X-Identity-Status,X-"
      "Roles,"
      "X-Service-Catalog,X-User-Id,X-Tenant-Id,X-OpenStack-Request-ID",
      .help = "Headers that pages may send, in any case, beyond Accept, Accept-Language, Content-Type, "
              "Cache-Control, Content-Language, Expires, Last-Modified and Pragma." },
    { "healthcheck", "backends", OPTION_LIST, "",
      .help =
          "What the healthcheck application looks at: disable_by_file or enable_by_files, and "
          "disable_by_files_ports; empty: it always answers 200. All [healthcheck] options may stand in the "
          "application's section of the paste file too, which then wins." },
    { "healthcheck", "disable_by_file_path", OPTION_STRING, NULL,
      .help = "While this file exists the backend disable_by_file answers 503.",
      .old = "DEFAULT/disable_by_file_path" },
    { "healthcheck", "disable_by_file_paths", OPTION_LIST, "",
      .help = "port:path pairs: while the file of the port that was asked exists the backend "
              "disable_by_files_ports answers 503." },
    { "healthcheck", "enable_by_file_paths", OPTION_LIST, "",
      .help = "While one of these files is missing the backend enable_by_files answers 503." },
    { "healthcheck", "detailed", OPTION_BOOL, "false",
      .help = "Tell what each backend saw, the time and the machine, in HTML and JSON answers." },
    { "healthcheck", "allowed_source_ranges", OPTION_LIST, "",
      .help =
          "Addresses and networks (10.0.0.0/8) that may ask, by the address of the connection; others get "
          "404. Empty: everybody." },
    { "healthcheck", "ignore_proxied_requests", OPTION_BOOL, "false",
      .help = "Do not answer requests that carry X-Forwarded headers." },

    /* ---- what this version cannot honour and must not ignore (check.c) ---- */
    { "DEFAULT", "metadata_encryption_key", OPTION_STRING, NULL, .flags = OPTION_RESTART | OPTION_SECRET,
      .help = "Key of encrypted locations in the database. Not supported yet: the start is refused." },
    { "DEFAULT", "delayed_delete", OPTION_BOOL, "false", .flags = OPTION_RESTART,
      .help = "Keep data of deleted images for a while. Not supported yet: the start is refused." },
    { "DEFAULT", "use_keystone_limits", OPTION_BOOL, "false", .flags = OPTION_RESTART,
      .help = "Quotas from Keystone. Not supported yet: the start is refused." },

    /* ---- Glint's own ---- */
    { "glint", "data_dir", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "Where database and images are when there is no configuration file: $GLINT_DATA_DIR, "
              "/var/lib/glint for root, else ~/.local/share/glint." },
    { "glint", "bind_unix", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "Path of a Unix socket to listen on too, for a proxy on the same machine." },
    { "glint", "bind_unix_mode", OPTION_OCTAL, "0660", .flags = OPTION_RESTART,
      .help = "Mode of the Unix socket." },
    { "glint", "bind_uwsgi", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help =
          "host:port to speak the uwsgi protocol on, for mod_proxy_uwsgi of Apache and uwsgi_pass of nginx. "
          "Whoever reaches it says who the client is: an address that only the web server reaches." },
    { "glint", "bind_uwsgi_unix", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "Path of a Unix socket to speak the uwsgi protocol on." },
    { "glint", "bind_uwsgi_unix_mode", OPTION_OCTAL, "0660", .flags = OPTION_RESTART,
      .help = "Mode of that Unix socket." },
    { "glint", "metrics_host", OPTION_STRING, "127.0.0.1", .flags = OPTION_RESTART,
      .help = "Address to serve GET /metrics (Prometheus) on." },
    { "glint", "metrics_port", OPTION_PORT, "9293", .flags = OPTION_RESTART,
      .help = "Port of /metrics; 0 turns it off. At its default a port in use is only a warning." },
    { "glint", "fetch_timeout", OPTION_FLOAT, "60", .min = 1, .max = 3600, .flags = OPTION_RESTART,
      .help = "Seconds that a server which a location or an import points at may be silent." },
    { "glint", "staging_shared", OPTION_BOOL, "false", .flags = OPTION_RESTART,
      .help = "All hosts of the service see one staging store, by a shared file system: each of them imports "
              "and deletes what another one staged." },
    { "glint", "peers", OPTION_LIST, "", .flags = OPTION_RESTART,
      .help =
          "The worker_self_reference_url of each host that requests may be passed on to. Empty: whichever "
          "the database names." },
    { "glint", "peer_ca_file", OPTION_STRING, NULL, .flags = OPTION_RESTART,
      .help = "Certificates (PEM) of authorities for hosts whose URL is https; unset: the system's." },
    { "glint", "decompress_formats", OPTION_LIST, "gzip,zip,xz,zstd", .choices = "gzip|zip|xz|zstd",
      .flags = OPTION_RESTART,
      .help = "What image_decompression takes for compressed; Glance knows gzip and zip." },
    { "glint", "decompress_ratio", OPTION_INT, "1100", .min = 0, .max = INT64_MAX, .flags = OPTION_RESTART,
      .help =
          "How many times their size data may grow beyond 256 MiB in image_decompression; 0: without such "
          "a limit. image_size_cap is one in any case. gzip and zip can grow 1032-fold." },
    { "glint", "decompress_memory", OPTION_QUOTA, "128MB", .flags = OPTION_RESTART,
      .help = "Memory that image_decompression may use for one image; xz and zstd data may ask for more, "
              "and are refused then." },
    { "glint", "qemu_img", OPTION_STRING, "/usr/bin/qemu-img", .flags = OPTION_RESTART,
      .help = "The program that image_conversion runs, in a sandbox: a whole path." },
    { "glint", "convert_memory", OPTION_QUOTA, "1GB", .flags = OPTION_RESTART,
      .help = "Address space of qemu-img." },
    { "glint", "convert_cpu", OPTION_INT, "3600", .min = 1, .max = 1000000, .flags = OPTION_RESTART,
      .help = "Seconds of processor time that one conversion may take." },
    { "glint", "convert_timeout", OPTION_INT, "14400", .min = 1, .max = 1000000, .flags = OPTION_RESTART,
      .help = "Seconds that one conversion may take." },
    { "glint", "access_log", OPTION_BOOL, "true", .help = "Log one line for each request." },
    { "glint", "head_image_data", OPTION_BOOL, "true",
      .help = "Answer HEAD of an image's data, with its length and version. false: 405, as Glance does." },
    { "glint", "workers_max", OPTION_INT, "64", .min = 1, .max = 4096, .flags = OPTION_RESTART,
      .help = "Threads for requests that wait for the database or a store. They are started when "
              "needed." },
    { "glint", "transfers_max", OPTION_INT, "512", .min = 1, .max = 4096, .flags = OPTION_RESTART,
      .help = "Threads for uploads and downloads, counted apart so that they cannot take all of "
              "workers_max." },
    { "glint", "connections_max", OPTION_INT, "16384", .min = 1, .max = 1048576, .flags = OPTION_RESTART,
      .help = "Connections open at once; beyond it new ones wait in the backlog." },
    { "glint", "workers_share", OPTION_INT, "50", .min = 1, .max = 100, .flags = OPTION_RESTART,
      .help = "Percent of workers_max that one project may have, or one client address where no project is "
              "known, and less of what is left for each further one. 100: any number." },
    { "glint", "transfers_share", OPTION_INT, "50", .min = 1, .max = 100, .flags = OPTION_RESTART,
      .help = "The same of transfers_max." },
    { "glint", "connections_share", OPTION_INT, "50", .min = 1, .max = 100, .flags = OPTION_RESTART,
      .help = "The same of connections_max, for each client address (a /64 network of IPv6): a proxy in "
              "front is one. What is more is answered with 503. 100: any number." },
    { "glint", "queue_timeout", OPTION_FLOAT, "60", .min = 0, .max = 86400,
      .help = "Seconds that a request may wait for a thread, before it is answered with 503; 0: as long as "
              "its client does." },
    { "glint", "head_timeout", OPTION_FLOAT, "20", .min = 0, .max = 86400,
      .help = "Seconds from the first byte of a request to the end of its head." },
    { "glint", "idle_timeout", OPTION_FLOAT, "75", .min = 0, .max = 86400,
      .help = "Seconds a kept connection may wait for its next request." },
    { "glint", "body_timeout", OPTION_FLOAT, "60", .min = 0, .max = 120,
      .help = "Seconds in which a body or an answer must move at all. An upload's lease outlives it." },
    { "glint", "body_min_rate", OPTION_INT, "1024", .min = 0, .max = 1073741824,
      .help = "Bytes a second, over a minute of waiting for the client, below which a body or an answer is "
              "broken off; 0 means any rate." },
    { "glint", "transfer_timeout", OPTION_FLOAT, "86400", .min = 0, .max = 31536000,
      .help = "Seconds that one upload or download may take; 0: any number." },
    { "glint", "linger_timeout", OPTION_FLOAT, "5", .min = 0, .max = 3600,
      .help = "Seconds an early refusal waits for the rest of the body, so that the client sees the "
              "answer and no reset." },
    { "glint", "drain_timeout", OPTION_FLOAT, "300", .min = 0, .max = 86400,
      .help = "The same where a web server speaks the uwsgi protocol: it hears an answer only when it has "
              "sent the "
              "whole body. The connection ends earlier when nothing comes for body_timeout." },
    { "glint", "shutdown_timeout", OPTION_FLOAT, "60", .min = 0, .max = 86400,
      .help = "Seconds that requests may take to finish after SIGTERM; a second SIGTERM breaks them "
              "off. A download of which nothing arrives for 5 seconds is broken off earlier." },
    { "glint", "supervise_worker", OPTION_BOOL, "true", .flags = OPTION_RESTART,
      .help = "Let glint serve start glint worker and restart it, and a service inside a web server start "
              "one where none runs on its machine. Turn it off where the worker is a unit of its own." },
    { "glint", "worker_program", OPTION_STRING, GLINT_PROGRAM, .flags = OPTION_RESTART,
      .help = "The program that a service inside a web server starts as glint worker: a whole path." },
    { "glint", "reap_interval", OPTION_INT, "10", .min = 1, .max = 86400, .flags = OPTION_RESTART,
      .help = "Seconds between two rounds of cleaning up after interrupted uploads (glint worker)." },
    { "glint", "jobs_at_once", OPTION_INT, "8", .min = 1, .max = 256, .flags = OPTION_RESTART,
      .help = "Jobs, imports for instance, that one glint worker runs at once. The projects take turns." },
    { "glint", "jobs_slow_max", OPTION_INT, "56", .min = 0, .max = 1024, .flags = OPTION_RESTART,
      .help = "More jobs that run beside them while they get less than 1 MiB a second from another server: "
              "who waits for a slow server holds up nobody. 0: they keep their places." },
    { "glint", "jobs_share", OPTION_INT, "75", .min = 1, .max = 100, .flags = OPTION_RESTART,
      .help = "Percent of jobs_at_once that one project may have, and less of it for each further one, so "
              "that some are left for others. 100: any number." },
    { "glint", "jobs_per_store", OPTION_INT, "0", .min = 0, .max = 256, .flags = OPTION_RESTART,
      .help = "How many of them may write into one store; 0: all." },

#include "conf/accepted.h"

    { .name = NULL },
};
