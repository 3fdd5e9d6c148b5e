# SPDX-License-Identifier: Apache-2.0
"""The rooms of src/, from the ground up: what lives in each and which others it may use. tools/check-layers holds the sources
and the table in docs/ARCHITECTURE.md to it. A room in a folder of another may use that one, too, with its private headers."""
import collections

Room = collections.namedtuple('Room', 'uses what')

GROUND = ['base']
BELOW_API = GROUND + ['fetch', 'http', 'stream', 'inspect', 'db', 'store', 'conf', 'model', 'auth', 'json', 'peers', 'transfer', 'jobs',
                      'imports', 'upkeep']

ROOMS = {
    'base': Room([], 'arena, text, errors, log, clock, config language, metrics, threads, processes, uuid; no domain words'),
    'http': Room(GROUND, 'one request and its gateway, header lists, ranges, conditions, dates, media types, URLs, limits; no '
                 'sockets'),
    'stream': Room(GROUND, 'source and sink, pump, limit, digest, fail-at'),
    'inspect': Room(GROUND, 'one file per disk format, fed bytes, asked for a verdict; opens nothing'),
    'conf': Room(GROUND, 'the table of options, where files are found, the paste pipeline'),
    'fetch': Room(GROUND + ['http'], 'HTTP as a client, by libcurl, which is loaded at first need; which sources clients may name '
                  '(`source.c`), and which answers are in doubt (`head.c`)'),
    'db': Room(GROUND, 'connection, statement, unit of work, pool; drivers by `driver.h`; schema files'),
    'db/sqlite': Room(GROUND, 'the driver for SQLite'),
    'store': Room(GROUND + ['fetch', 'http', 'stream'], 'put and get of objects; drivers by `driver.h`'),
    'store/filesystem': Room(GROUND + ['http', 'stream'], 'the driver for directories'),
    'store/http': Room(GROUND + ['http', 'fetch'], 'the driver for other servers, which only reads'),
    'model': Room(GROUND + ['db'], 'rows and structs, the only SQL: lease, trash, task, counter, worker, schema'),
    'model/image': Room(GROUND + ['db'], 'image, member, status, listing, sums'),
    'model/job': Room(GROUND + ['db', 'model/image'], 'jobs and their notes'),
    'auth': Room(GROUND + ['http', 'model', 'fetch'], "identity; policy: oslo.policy's language (`policy_parse.c`, "
                 "`policy_check.c`), files (`policy_file.c`), sets and their change (`policy_rules.c`, `policy.c`), Glance's "
                 'defaults (`policy_defaults.c`); property protections: rights (`protection.c`), their file and its patterns'),
    'json': Room(GROUND + ['http', 'model'], 'documents out, bodies in, the schema, JSON-patch'),
    'unpack': Room(GROUND, 'compressed files, one file a format; the libraries are loaded at first need'),
    'peers': Room(GROUND + ['http', 'model'], 'other hosts of the same service, each with a staging store of its own'),
    'transfer': Room(GROUND + ['stream', 'inspect', 'db', 'store', 'model', 'json', 'peers'], 'moves and removes image bytes: '
                     'download; upload begin, pump and commit; removal; leases; the one writer of staged files (`staging.c`), and '
                     'what is known of them'),
    'jobs': Room(GROUND + ['db', 'store', 'model', 'transfer'], 'the engine of jobs, which outlive their request; kinds are handed '
                 'in (`kind.h`)'),
    'imports': Room(GROUND + ['http', 'fetch', 'stream', 'inspect', 'conf', 'db', 'store', 'model', 'auth', 'json', 'peers',
                              'transfer', 'jobs'], 'the kinds of jobs: imports by their steps, added locations, tasks of type import'),
    'imports/plugins': Room(GROUND + ['inspect', 'db', 'model', 'json', 'stream', 'transfer', 'jobs', 'unpack'], 'what changes the staged file '
                            'or the image on its way: inject, decompress, convert'),
    'upkeep': Room(GROUND + ['db', 'store', 'model', 'json', 'transfer'], 'the reaper, what is left in the staging directory, whether '
                   'a store is itself (`store_proof.c`)'),
    'upkeep/doctor': Room(GROUND + ['db', 'store', 'model', 'json', 'peers', 'transfer'], 'compares stores, staging directory and '
                          'database, and repairs'),
    'api': Room(BELOW_API, 'the table of routes'),
    'api/core': Room(BELOW_API, 'one request from the front to its answer: settings, dispatch, access, faults, conditions, listing'),
    'api/images': Room(BELOW_API + ['api/core'], 'images, their locations and tags; schemas'),
    'api/data': Room(BELOW_API + ['api/core'], 'upload, download, staging'),
    'api/imports': Room(BELOW_API + ['api/core'], 'acceptance of imports'),
    'api/members': Room(BELOW_API + ['api/core'], 'members'),
    'api/stores': Room(BELOW_API + ['api/core'], 'what clients see of stores'),
    'api/tasks': Room(BELOW_API + ['api/core', 'api/images'], 'tasks, also those of type import'),
    'host': Room(BELOW_API + ['api'], 'configuration, database, stores and API opened together: the service in any '
                 'process; that a worker runs on its machine (`keeper.c`)'),
    'embed': Room(GROUND + ['http', 'stream', 'conf', 'host'], "the service inside other programs: `httpd/` (Apache's `mod_glint`, "
                  'and `mod_glint_body` for mod_proxy_uwsgi), `uwsgi/` (a plugin), `wsgi/` (a CPython extension); `embed.c`: a '
                  'host that the serving process opens by itself; `answer.c`: what each has to get right about an answer'),
    'front': Room(GROUND + ['http', 'stream'], '`http1/`, `loopback/`: each fills `struct gateway_ops`'),
    'main': Room(BELOW_API + ['api', 'host', 'front'], 'the program'),
}

# Headers that other rooms may include, where it is not just <room>/<room>.h. Of the rooms that are nested in one another, the
# inner and the outer one see all.
NONE = r'(?!)'
PUBLIC = {
    'db/sqlite': NONE,
    'model': r'model/(model|attribute)\.h',
    'store/filesystem': NONE,
    'store/http': NONE,
    'model/image': NONE,
    'model/job': NONE,
    'base':  r'base/(?!.*_private\.h$)[a-z_]+\.h',
    'http':  r'http/(http|limits)\.h',
    'peers': r'peers/hosts\.h',
    'transfer': r'transfer/\w+\.h',
    'jobs': r'jobs/(jobs|kind)\.h',
    'imports/plugins': NONE,
    'upkeep': r'upkeep/(upkeep|store_proof)\.h',
    'api/core': r'api/core/(?!before|cors|healthcheck)\w+\.h',
    'front': r'front/(\w+)/\1\.h',
}
