# SPDX-License-Identifier: Apache-2.0
"""The rooms of src/, from the ground up: what lives in each and which others it may use. tools/check-layers holds the sources
and the table in docs/ARCHITECTURE.md to it. A room in a folder of another may use that one, too, with its private headers."""
import collections

Room = collections.namedtuple('Room', 'uses what')

GROUND = ['base']
BELOW_WORK = GROUND + ['fetch', 'http', 'stream', 'inspect', 'db', 'store', 'conf', 'model', 'auth', 'json']

ROOMS = {
    'base': Room([], 'arena, text, errors, log, clock, config language, metrics, threads, uuid; no domain words'),
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
    'work': Room(BELOW_WORK, 'moves and removes image bytes; the reaper; jobs; whether a store is itself (`store_proof.c`)'),
    'api': Room(BELOW_WORK + ['work'], 'the route table, dispatch, handlers, faults'),
    'host': Room(BELOW_WORK + ['work', 'api'], 'configuration, database, stores and API opened together: the service in any '
                 'process; that a worker runs on its machine (`keeper.c`)'),
    'embed': Room(GROUND + ['http', 'stream', 'conf', 'host'], "the service inside other programs: `httpd/` (Apache's `mod_glint`, "
                  'and `mod_glint_body` for mod_proxy_uwsgi), `uwsgi/` (a plugin), `wsgi/` (a CPython extension); `embed.c`: a '
                  'host that the serving process opens by itself; `answer.c`: what each has to get right about an answer'),
    'front': Room(GROUND + ['http', 'stream'], '`http1/`, `loopback/`: each fills `struct gateway_ops`'),
    'main': Room(BELOW_WORK + ['work', 'api', 'host', 'front'], 'the program'),
}

# Headers that other rooms may include, where it is not just <room>/<room>.h. Of the rooms that are nested in one another, the
# inner and the outer one see all.
NONE = r'(?!)'
PUBLIC = {
    'db/sqlite': NONE,
    'store/filesystem': NONE,
    'store/http': NONE,
    'model/image': NONE,
    'model/job': NONE,
    'base':  r'base/(?!.*_private\.h$)[a-z_]+\.h',
    'http':  r'http/(http|limits)\.h',
    'work':  r'work/(commit|upload|remove|store_proof|hosts|jobs|imports|upkeep|doctor)\.h',
    'front': r'front/(\w+)/\1\.h',
}
