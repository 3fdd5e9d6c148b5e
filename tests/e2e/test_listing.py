# SPDX-License-Identifier: Apache-2.0
"""GET /v2/images: pages, order, filters. Each test file has its own project, so that counts are its own."""
import urllib.parse
import uuid

import pytest

from glint import Client, identity

PROJECT = 'project-listing'


@pytest.fixture(scope='module')
def lister(trusted):
    client = Client(trusted.host, trusted.port)
    client.identity = identity(PROJECT, 'member,reader')
    return client


@pytest.fixture(scope='module')
def shelf(lister):
    """Nine images, made in this order; {name: id}."""
    made = {}
    rows = [
        ('a', {'disk_format': 'raw', 'min_ram': 1, 'tags': ['even', 'x'], 'os_distro': 'debian'}),
        ('b', {'disk_format': 'qcow2', 'min_ram': 2, 'tags': ['odd', 'x'], 'os_distro': 'debian'}),
        ('c', {'disk_format': 'raw', 'min_ram': 3, 'tags': ['even'], 'visibility': 'private'}),
        ('d', {'disk_format': 'iso', 'min_ram': 4, 'protected': True}),
        ('e:f', {'disk_format': 'raw', 'min_ram': 5}),
        ('g,h', {'disk_format': 'raw', 'min_ram': 6, 'visibility': 'community'}),
        ('i', {'disk_format': 'vmdk', 'min_ram': 7, 'os_hidden': True}),
        ('żółw', {'disk_format': 'raw', 'min_ram': 8, 'os_distro': 'żółw'}),
        ('z', {'disk_format': 'raw', 'min_ram': 9}),
    ]
    for name, fields in rows:
        made[name] = lister.create(name=name, **fields)['id']
    assert lister.upload(made['a'], b'x' * 100).status == 204
    assert lister.upload(made['z'], b'y' * 200).status == 204
    yield made
    for name, image_id in made.items():
        if name == 'd':
            lister.patch(image_id, [{'op': 'replace', 'path': '/protected', 'value': False}])
        lister.delete('/v2/images/' + image_id)


SHOWN = ['a', 'b', 'c', 'd', 'e:f', 'g,h', 'żółw', 'z']


def names(lister, shelf, query):
    by_id = {image_id: name for name, image_id in shelf.items()}
    answer = lister.get('/v2/images?' + query)
    assert answer.status == 200, answer
    return [by_id[i['id']] for i in answer.json['images'] if i['id'] in by_id]


def test_list_document(lister, shelf):
    answer = lister.get('/v2/images')
    assert answer.header('Content-Type') == 'application/json'
    document = answer.json
    assert list(document) == ['images', 'first', 'schema']
    assert (document['first'], document['schema']) == ('/v2/images', '/v2/schemas/images')
    one = next(i for i in document['images'] if i['id'] == shelf['a'])
    assert one == lister.show(shelf['a'])


@pytest.mark.parametrize('query,wanted', [
    ('', SHOWN),
    ('name=a', ['a']),
    ('name=nope', []),
    ('name=in:a,b', ['a', 'b']),
    ('name=in:"g,h",a', ['a', 'g,h']),
    ('name=eq:e:f', ['e:f']),
    ('name=in:"e:f"', ['e:f']),
    ('name=' + urllib.parse.quote('żółw'), ['żółw']),
    ('status=active', ['a', 'z']),
    ('status=in:active,queued', SHOWN),
    ('disk_format=raw', ['a', 'c', 'e:f', 'g,h', 'żółw', 'z']),
    ('disk_format=in:iso,qcow2', ['b', 'd']),
    ('container_format=bare', SHOWN),
    ('container_format=ovf', []),
    ('min_ram=3', ['c']),
    ('min_ram_min=5', ['e:f', 'g,h', 'żółw', 'z']),
    ('min_ram_max=2', ['a', 'b']),
    ('min_ram_min=2&min_ram_max=4', ['b', 'c', 'd']),
    ('size_min=150', ['z']),
    ('size_max=150', ['a']),
    ('size=100', ['a']),
    ('tag=even', ['a', 'c']),
    ('tag=even&tag=x', ['a']),
    ('tag=nope', []),
    ('os_distro=debian', ['a', 'b']),
    ('os_distro=' + urllib.parse.quote('żółw'), ['żółw']),
    ('os_distro=debian&disk_format=raw', ['a']),
    ('protected=true', ['d']),
    ('protected=false', [n for n in SHOWN if n != 'd']),
    ('visibility=private', ['c']),
    ('visibility=community', ['g,h']),
    ('visibility=all', SHOWN),
    ('os_hidden=true', ['i']),
    ('os_hidden=false', SHOWN),
    ('owner=' + PROJECT, SHOWN),
    ('owner=nobody', []),
    ('created_at=gt:2020-01-01T00:00:00Z', SHOWN),
    ('created_at=lt:2020-01-01T00:00:00Z', []),
    ('updated_at=gte:2020-01-01T00:00:00Z', SHOWN),
    ('colour=blue', []),
])
def test_filters(lister, shelf, query, wanted):
    assert sorted(names(lister, shelf, query + '&limit=100')) == sorted(wanted)


def test_filter_by_id_and_hash(lister, shelf):
    assert names(lister, shelf, 'id=' + shelf['b']) == ['b']
    image = lister.show(shelf['a'])
    assert names(lister, shelf, 'checksum=' + image['checksum']) == ['a']
    assert names(lister, shelf, 'os_hash_value=' + image['os_hash_value']) == ['a']


@pytest.mark.parametrize('query', [
    'limit=-1', 'limit=x', 'marker=nope', 'sort=nope', 'sort=name:up', 'sort_key=nope', 'sort_dir=up',
    'sort=name&sort_key=name', 'sort_key=name&sort_key=id&sort_dir=asc&sort_dir=asc&sort_dir=asc', 'name=neq:a',
    'visibility=nobody', 'os_hidden=maybe', 'protected=maybe', 'created_at=yesterday', 'created_at=about:2020-01-01T00:00:00Z',
    'size_min=x', 'member_status=x', 'changes-since=2020-01-01T00:00:00Z',
])
def test_queries_that_are_refused(lister, query):
    assert lister.get('/v2/images?' + query).status == 400


@pytest.mark.parametrize('query,wanted', [
    ('sort=min_ram:asc', SHOWN),
    ('sort=min_ram:desc', None),
    ('sort=name:asc', sorted(SHOWN)),
    ('sort=name', sorted(SHOWN, reverse=True)),
    ('sort_key=name&sort_dir=asc', sorted(SHOWN)),
    ('sort_key=name&sort_dir=desc', sorted(SHOWN, reverse=True)),
    ('sort_key=disk_format&sort_key=name&sort_dir=asc',
     ['d', 'b', 'a', 'c', 'e:f', 'g,h', 'z', 'żółw']),
    ('sort=disk_format:asc,name:desc', ['d', 'b', 'żółw', 'z', 'g,h', 'e:f', 'c', 'a']),
    ('sort=size:desc,name:asc', ['z', 'a', 'b', 'c', 'd', 'e:f', 'g,h', 'żółw']),
])
def test_order(lister, shelf, query, wanted):
    if wanted is None or 'min_ram' in query:
        assert lister.get('/v2/images?' + query).status == 400    # not one of the keys
    else:
        assert names(lister, shelf, query + '&limit=100') == wanted


def test_default_order_is_newest_first(lister, shelf):
    document = lister.get('/v2/images?limit=100').json
    keys = [(i['created_at'], ) for i in document['images']]
    assert keys == sorted(keys, reverse=True)


@pytest.mark.parametrize('query', ['', 'sort=name:asc', 'sort=size:desc,name:asc', 'sort=container_format:asc', 'sort=id:desc',
                                   'sort=updated_at:asc', 'sort=status:desc,name:desc'])
@pytest.mark.parametrize('limit', [1, 2, 3, 8])
def test_pages_join_to_the_whole(lister, shelf, query, limit):
    whole = [i['id'] for i in lister.get('/v2/images?limit=100&' + query).json['images']]
    found, path = [], '/v2/images?limit=%d&%s' % (limit, query)
    for _ in range(20):
        document = lister.get(path).json
        found += [i['id'] for i in document['images']]
        assert len(document['images']) <= limit
        if 'next' not in document:
            break
        path = document['next']
        assert 'marker=' + document['images'][-1]['id'] in path
    assert found == whole


def test_limits(glint_server):
    member = glint_server(trusted=True, config={'DEFAULT': {'limit_param_default': 2, 'api_limit_max': 3}}).client()
    for n in range(5):
        member.create(name='n%d' % n)
    assert len(member.listed()) == 2
    assert len(member.listed('?limit=100')) == 3
    assert member.listed('?limit=0') == []
    document = member.get('/v2/images?limit=100&name=in:n0,n1,n2').json
    assert document['first'] == '/v2/images?limit=100&name=in%3An0%2Cn1%2Cn2'
    assert document['next'].startswith('/v2/images?')


def test_marker_out_of_sight(lister, shelf, other):
    """The answer is that to an id which nothing has, but for the id."""
    nothing = str(uuid.uuid4())
    seen = [other.get('/v2/images?marker=' + image_id) for image_id in (shelf['c'], nothing)]
    assert [answer.status for answer in seen] == [400, 400]
    assert seen[0].text.replace(shelf['c'], nothing) == seen[1].text


def test_deleted_never_show(lister):
    image = lister.create(name='gone')
    lister.delete('/v2/images/' + image['id'])
    assert lister.listed('?name=gone') == [] and lister.listed('?name=gone&deleted=true') == []
    assert lister.get('/v2/images?marker=' + image['id']).status == 400


@pytest.mark.parametrize('option,shown,hidden', [
    ('show_multiple_locations', 'locations', 'direct_url'),
    ('show_image_direct_url', 'direct_url', 'locations'),
])
def test_locations_where_asked_for(glint_server, option, shown, hidden):
    client = glint_server(trusted=True, config={'DEFAULT': {option: 'true'}}).client('member')
    image = client.create(name='placed')
    assert client.upload(image['id'], b'bytes').status == 204
    one = client.show(image['id'])
    assert client.get('/v2/images?name=placed').json['images'] == [one]
    assert one['id'] in str(one[shown]) and hidden not in one


@pytest.fixture(scope='module')
def large(trusted):
    """A project of its own with seven images that have 1.5 MB of text each."""
    owner = Client(trusted.host, trusted.port)
    owner.identity = identity('project-large', 'member,reader')
    return owner, [owner.create(name='large', text='x' * 1500000)['id'] for _ in range(7)]


@pytest.mark.parametrize('query', ['', '&sort=name:asc', '&name=large'], ids=['merged', 'sorted', 'filtered'])
def test_a_page_of_long_properties_is_cut_and_goes_on(large, query):
    """What a listing holds in memory is bounded, and no image is lost."""
    owner, made = large
    found, path, pages = [], '/v2/images?limit=100' + query, []
    while path:
        page = owner.get(path).json
        found += [image['id'] for image in page['images']]
        pages.append(len(page['images']))
        path = page.get('next')
    assert pages == [3, 3, 1]
    assert sorted(found) == sorted(made)
