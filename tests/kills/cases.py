# SPDX-License-Identifier: Apache-2.0
"""What is under way when something dies: each case asks for something, with a client that asks again where it got no answer,
and says what may have become of it."""
import contextlib

from world import LOST, glint, need

CASES = {}
WORLDS = {
    'plain': {},
    'parallel': {'parallel': 3},
    'single': {'single': True},
    'plugins': {'plugins': 'inject_image_metadata,image_decompression,image_conversion',
                'more': {'inject_metadata_properties': {'inject': 'injected:yes'}, 'image_conversion': {'output_format': 'qcow2'}}},
}
SIZE = 3 * glint.MIB + 17


def case(cls):
    CASES[cls.name] = cls
    return cls


class Case:
    """One image, and one thing that is asked for. begin() runs before anything is armed."""
    name = None
    stores = ('one',)
    world = 'plain'         # of WORLDS
    crowded = False         # several things are under way at once

    def __init__(self, world, seed):
        self.world = world
        self.data = glint.pattern(SIZE + seed % 1000, seed)
        self.image_id = None

    def begin(self):
        self.image_id = self.world.create(name=self.name)

    def act(self):
        raise NotImplementedError

    def end(self):
        """At rest: what has become of it; asks again where that is allowed, and it succeeds."""
        raise NotImplementedError

    def clear(self):
        """The image goes, and all that belongs to it."""
        answer = self.world.insist(lambda c: c.delete('/v2/images/' + self.image_id), 'admin')
        need(answer.status in (204, 404), 'delete', answer)


# ---------------------------------------------------------------- what has no job

@case
class Upload(Case):
    name = 'upload'
    answered = None

    def act(self):
        with contextlib.suppress(*LOST):
            self.answered = self.world.client().upload(self.image_id, self.data).status

    def end(self):
        status = self.world.image(self.image_id)['status']
        need(status in ('queued', 'active'), 'the image is', status)
        need(status == 'active' or self.answered != 204, 'answered 204, and lost')
        if status == 'queued':
            answer = self.world.insist(lambda c: c.upload(self.image_id, self.data))
            need(answer.status == 204, 'the second upload', answer)
        self.world.verify(self.image_id, self.data, ['one'])


@case
class RefusedUpload(Upload):
    """It ends by itself, and is taken back."""
    name = 'upload-refused'

    def act(self):
        with contextlib.suppress(*LOST):
            answer = self.world.client().upload(self.image_id, self.data, headers={'x-openstack-image-size': '100'})
            need(answer.status == 400, answer)


@case
class Delete(Case):
    name = 'delete'
    answered = None

    def begin(self):
        super().begin()
        answer = self.world.insist(lambda c: c.upload(self.image_id, self.data))
        need(answer.status == 204, 'upload', answer)

    def act(self):
        with contextlib.suppress(*LOST):
            self.answered = self.world.client().delete('/v2/images/' + self.image_id).status

    def end(self):
        image = self.world.image(self.image_id)
        need(not image or self.answered != 204, 'answered 204, and still there')
        if image:
            self.world.verify(self.image_id, self.data, ['one'])


# ---------------------------------------------------------------- jobs of locations

class Location(Case):
    proof = None

    def begin(self):
        super().begin()
        self.data = self.world.origin_data

    def ask(self):
        body = {'url': self.world.origin.url + '/ok/%d' % len(self.data), **({'validation_data': self.proof} if self.proof else {})}
        return self.world.insist(lambda c: c.post('/v2/images/%s/locations' % self.image_id, json=body))

    def act(self):
        answer = self.ask()
        need(answer.status in (202, 409), answer)     # 409: the first try, unanswered, was accepted

    def end(self):
        image = self.world.image(self.image_id)
        need(image['status'] == 'active', 'the image is', image['status'])
        need(image['checksum'] == glint.digests(self.data)[0], 'its checksum is', image['checksum'])


@case
class AddedLocation(Location):
    name = 'location'


@case
class WrongLocation(Location):
    """Its data are not what was promised: all is taken back."""
    name = 'location-refused'
    proof = {'os_hash_algo': 'md5', 'os_hash_value': 'ab' * 16}

    def end(self):
        image = self.world.image(self.image_id)
        need((image['status'], image['size'], image['locations']) == ('queued', None, []), image)
        self.proof = {'os_hash_algo': 'md5', 'os_hash_value': glint.digests(self.data)[0]}
        need(self.ask().status == 202, 'not accepted again')
        self.world.rest()
        need(self.world.image(self.image_id)['status'] == 'active', 'the second try fails')
