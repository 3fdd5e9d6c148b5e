# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of uploads. After the restart every image is either queued, without any trace of data,
or active with exactly the bytes that were sent; nothing else lies in the store."""
import os
import random
import threading
import time

from glint import CI, MIB, digests, eventually, pattern

KILLS = int(os.environ.get('GLINT_KILLS', '40' if CI else '15'))


def settle(s, member, ids):
    """Waits until no image is `saving` and nothing temporary is left."""
    def settled():
        statuses = {i: member.show(i)['status'] for i in ids}
        if any(status == 'saving' for status in statuses.values()):
            return None
        active = [i for i in ids if statuses[i] == 'active']
        wanted = sorted(os.path.relpath(s.object_of(i), s.images) for i in active)
        return [statuses] if s.stored() == wanted else None
    found = eventually(settled, 10)
    assert found, ('not settled', {i: member.show(i)['status'] for i in ids}, s.stored(), s.log()[-3000:])
    return found[0]


def test_kill_9_during_uploads(glint_server):
    seed = int(os.environ.get('GLINT_SEED', '0')) or random.randrange(1 << 30)
    rng = random.Random(seed)
    print('GLINT_SEED=%d' % seed)
    s = glint_server(trusted=True)
    outcomes = {'queued': 0, 'active': 0, 'answered': 0}
    for turn in range(KILLS):
        bodies = [pattern(rng.choice([1, 1000, 200000, 2 * MIB, 6 * MIB]) + rng.randrange(1000), turn * 10 + n) for n in range(3)]
        member = s.client()
        ids = [member.create(name='turn %d' % turn)['id'] for _ in bodies]
        answers = [None] * len(bodies)

        def go(n):
            try:
                if n % 2:
                    at = rng.randrange(len(bodies[n])) + 1
                    pieces = [bodies[n][:at], bodies[n][at:]]
                    answers[n] = s.client().upload(ids[n], chunks=[p for p in pieces if p]).status
                else:
                    answers[n] = s.client().upload(ids[n], bodies[n]).status
            except (OSError, ValueError, __import__('http').client.HTTPException):
                pass
        threads = [threading.Thread(target=go, args=(n,)) for n in range(len(bodies))]
        for t in threads:
            t.start()
        time.sleep(rng.choice([0, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1]) * rng.random() * 2)
        s.kill()
        for t in threads:
            t.join()
        s.start()
        member = s.client()
        statuses = settle(s, member, ids)
        for n, image_id in enumerate(ids):
            image = member.show(image_id)
            outcomes[statuses[image_id]] += 1
            if statuses[image_id] == 'active':
                assert (image['checksum'], image['os_hash_value']) == digests(bodies[n]), (turn, n, seed)
                assert image['size'] == len(bodies[n])
                assert member.download(image_id).body == bodies[n]
            else:
                assert answers[n] != 204, 'answered 204 and lost: turn %d upload %d seed %d' % (turn, n, seed)
                assert statuses[image_id] == 'queued', (statuses, seed)
                assert (image['size'], image['checksum'], image['os_hash_value']) == (None, None, None)
            outcomes['answered'] += answers[n] == 204
        again = rng.randrange(len(ids))
        if statuses[ids[again]] == 'queued':
            assert member.upload(ids[again], bodies[again]).status == 204
            assert member.download(ids[again]).body == bodies[again]
        for image_id in ids:
            assert member.delete('/v2/images/' + image_id).status == 204
        assert eventually(lambda: s.stored() == []), s.stored()
    print(outcomes)
    assert s.sql('pragma integrity_check') == [('ok',)]


def test_kill_9_in_the_middle_of_one(glint_server):
    """The plain case, deterministic: half an upload is there when the process dies."""
    s = glint_server(trusted=True)
    member = s.client()
    image_id = member.create()['id']
    socket = member.half_upload(image_id, 8 * MIB, 5 * MIB)
    assert eventually(lambda: member.show(image_id)['status'] == 'saving')
    assert eventually(lambda: s.sql('select count(*) from glint_leases') == [(1,)])
    s.kill()
    socket.close()
    s.start()
    assert settle(s, member, [image_id]) == {image_id: 'queued'}
    assert s.stored() == []
    data = pattern(8 * MIB)
    assert member.upload(image_id, data).status == 204
    assert member.download(image_id).body == data


def test_kill_9_during_deletes_and_creates(glint_server):
    rng = random.Random(7)
    s = glint_server(trusted=True)
    for turn in range(max(3, KILLS // 5)):
        member = s.client()
        ids = [member.active(pattern(1000, turn * 100 + n)) for n in range(8)]
        answers = {}

        def go(image_id):
            try:
                answers[image_id] = s.client().delete('/v2/images/' + image_id).status
            except (OSError, __import__('http').client.HTTPException):
                pass
        threads = [threading.Thread(target=go, args=(i,)) for i in ids]
        for t in threads:
            t.start()
        time.sleep(rng.random() * 0.02)
        s.kill()
        for t in threads:
            t.join()
        s.start()
        member = s.client()
        left = [i for i in ids if member.get('/v2/images/' + i).status == 200]
        assert not [i for i in left if answers.get(i) == 204], 'a deleted image came back'
        assert set(settle(s, member, left).values()) <= {'active'}
        for image_id in left:
            assert member.download(image_id).status == 200
            assert member.delete('/v2/images/' + image_id).status == 204
        assert eventually(lambda: s.stored() == []), s.stored()
