# SPDX-License-Identifier: Apache-2.0
"""Cases of imports: each method, to one and several stores, that succeed, fail, or fail in part."""
import contextlib
import gzip

from cases import Case, case
from world import LOST, glint, need, sha512

# ---------------------------------------------------------------- imports that succeed

class Import(Case):
    """One import that nothing but kills disturbs: in the end it has succeeded."""
    method = None
    must_succeed = True
    who = None
    failed = ''

    def source(self):
        """What the method wants to know."""
        return {}

    def headers(self):
        return {}

    def ask(self, again=False):
        body = {'method': {'name': self.method, **self.source()}, 'stores': list(self.stores), 'all_stores_must_succeed': self.must_succeed}
        unanswered = []

        def post(_):
            try:
                return self.world.client(self.who, timeout=20).post('/v2/images/%s/import' % self.image_id, json=body, headers=self.headers())
            except LOST as e:
                unanswered.append(e)
                raise
        answer = self.world.insist(post)
        need(answer.status == 202 or (answer.status == 409 and unanswered and not again), 'import', answer)
        if answer.status == 409:    # what was not answered was accepted
            need(self.world.task_of(self.image_id), 'refused, and no task is there:', answer)

    def act(self):
        self.ask()

    def end(self):
        self.world.verify(self.image_id, self.data, self.stores, self.failed)
        self.world.need_task(self.image_id, 'success')


class Staged(Import):
    method = 'glance-direct'

    def stage(self):
        answer = self.world.insist(lambda c: c.put('/v2/images/%s/stage' % self.image_id, self.data,
                                                   headers={'Content-Type': 'application/octet-stream'}))
        need(answer.status in (204, 409), 'stage', answer)

    def begin(self):
        super().begin()
        self.stage()


@case
class Stage(Staged):
    """Killed while data are staged: all of them are there, or none."""
    name = 'stage'

    def begin(self):
        Case.begin(self)

    def act(self):
        with contextlib.suppress(*LOST):
            answer = self.world.client().put('/v2/images/%s/stage' % self.image_id, self.data, headers={'Content-Type': 'application/octet-stream'})
            self.answered = answer.status

    answered = None

    def end(self):
        status = self.world.image(self.image_id)['status']
        need(status in ('queued', 'uploading'), 'the image is', status)
        need(status == 'uploading' or self.answered != 204, 'answered 204, and lost')
        if status == 'queued':
            self.stage()
        self.ask()
        self.world.rest()
        super().end()


@case
class StagedAndDeleted(Staged):
    """The staged file goes with the image."""
    name = 'stage-deleted'

    def act(self):
        answer = self.world.insist(lambda c: c.delete('/v2/images/' + self.image_id))
        need(answer.status in (204, 404), 'delete', answer)

    def end(self):
        need(self.world.image(self.image_id) is None, 'the image is still there')


@case
class DirectToOne(Staged):
    name = 'glance-direct'


@case
class DirectSingle(Staged):
    """Without several stores."""
    name = 'glance-direct-single'
    world = 'single'


@case
class Crowd(Case):
    """Many imports at once: those that run, and those that wait for their turn."""
    name = 'crowd'
    crowded = True
    SIZE = 9

    def __init__(self, world, seed):
        super().__init__(world, seed)
        self.all = [(DirectToOne, DirectToThree, CopyToTwo)[n % 3](world, seed * 100 + n) for n in range(self.SIZE)]

    def begin(self):
        for one in self.all:
            one.begin()

    def act(self):
        for one in self.all:
            one.act()

    def end(self):
        for one in self.all:
            one.end()

    def clear(self):
        for one in self.all:
            one.clear()


@case
class DirectToThree(Staged):
    name = 'glance-direct-three'
    stores = ('one', 'two', 'three')


@case
class DirectToThreeEach(DirectToThree):
    name = 'glance-direct-three-each'
    must_succeed = False


@case
class DirectToThreeParallel(DirectToThree):
    name = 'glance-direct-parallel'
    world = 'parallel'


class Copy(Import):
    method = 'copy-image'
    who = 'admin'
    stores = ('two', 'three')

    def begin(self):
        super().begin()
        answer = self.world.insist(lambda c: c.upload(self.image_id, self.data))
        need(answer.status == 204, 'upload', answer)

    def end(self):
        self.world.verify(self.image_id, self.data, ('one',) + self.stores)
        self.world.need_task(self.image_id, 'success')


@case
class CopyToTwo(Copy):
    name = 'copy-image'


@case
class CopyToTwoEach(Copy):
    name = 'copy-image-each'
    must_succeed = False


@case
class Plugins(Staged):
    """Staged compressed; unpacked, converted and with a property of the operator's in the end."""
    name = 'plugins'
    world = 'plugins'
    stores = ('one', 'two')

    def begin(self):
        self.data = gzip.compress(self.data[:1 << 20], 1, mtime=0)
        super().begin()

    def end(self):
        image = self.world.image(self.image_id)
        need(image['status'] == 'active' and image['disk_format'] == 'qcow2' and image.get('injected') == 'yes', image)
        need(image['virtual_size'] == 1 << 20, image['virtual_size'], 'bytes in it')
        for store in self.stores:
            need(sha512(self.world.path_in(store, self.image_id)) == image['os_hash_value'], 'other bytes in', store)
        self.world.need_task(self.image_id, 'success')


# ---------------------------------------------------------------- imports that fail, or in part

class Failing:
    """Mixed in: the import fails whatever is killed, leaves the image as one that can be imported anew, and says why."""

    def end(self):
        self.check_failed()
        self.again()
        self.world.rest()
        super().end()

    def check_failed(self):
        image = self.world.image(self.image_id)
        need((image['status'], image['size'], image['checksum']) == ('queued', None, None), 'after a failure:', image)
        self.world.need_task(self.image_id, 'failure')


@case
class DirectToReadOnly(Failing, Staged):
    """What was staged stays, since nothing is wrong with it."""
    name = 'glance-direct-readonly'
    stores = ('one', 'two', 'web')

    def check_failed(self):
        image = self.world.image(self.image_id)
        need((image['status'], image['checksum'], image['os_glance_failed_import']) == ('uploading', None, 'web'), 'after a failure:', image)
        self.world.need_task(self.image_id, 'failure')

    def again(self):
        self.stores = ('one', 'two')
        self.failed = 'web'         # what it says of an earlier import
        self.ask(again=True)


@case
class DirectToReadOnlyParallel(DirectToReadOnly):
    name = 'glance-direct-readonly-parallel'
    world = 'parallel'


@case
class DirectWrongFormat(Failing, Staged):
    """The data are not what the image says they are."""
    name = 'glance-direct-wrong-format'

    def begin(self):
        self.image_id = self.world.create(name=self.name, disk_format='qcow2')
        self.stage()

    def again(self):
        answer = self.world.client().patch(self.image_id, [{'op': 'replace', 'path': '/disk_format', 'value': 'raw'}])
        need(answer.status == 200, answer)
        self.stage()
        self.ask(again=True)


@case
class DirectInPart(Staged):
    """One of the stores fails, which does not matter to the others."""
    name = 'glance-direct-in-part'
    stores = ('one', 'web', 'three')
    must_succeed = False

    def end(self):
        self.world.verify(self.image_id, self.data, ('one', 'three'), failed='web')


@case
class CopyToReadOnly(Copy):
    """A copy that fails takes back what it made and nothing else."""
    name = 'copy-image-readonly'
    stores = ('two', 'web')

    def end(self):
        self.world.need_task(self.image_id, 'failure')
        image = self.world.image(self.image_id)
        need('web' in image['os_glance_failed_import'].split(','), image)
        self.world.verify(self.image_id, self.data, ('one',), failed=image['os_glance_failed_import'])
        self.stores = ('two',)
        self.ask(again=True)
        self.world.rest()
        self.world.verify(self.image_id, self.data, ('one', 'two'), failed=None)


@case
class StoreLeft(Staged):
    """One of two copies is given up."""
    name = 'store-left'
    stores = ('one', 'two')
    answered = None

    def begin(self):
        super().begin()
        self.ask()
        self.world.rest()

    def act(self):
        with contextlib.suppress(*LOST):
            self.answered = self.world.client('admin').delete('/v2/stores/two/' + self.image_id).status

    def end(self):
        left = self.world.sql('SELECT COUNT(*) FROM image_locations WHERE image_id = ? AND NOT deleted', self.image_id)[0][0]
        need(left == 1 or self.answered != 204, 'answered 204, and the copy is still there')
        self.world.verify(self.image_id, self.data, self.stores[:left])
