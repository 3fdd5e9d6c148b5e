# SPDX-License-Identifier: Apache-2.0
"""Cases of imports from other servers."""
import json

from cases import Case, case
from imports import Failing, Import
from world import LOST, glint, need, sha512


class Web(Import):
    method = 'web-download'
    path = '/ok/%d'

    def begin(self):
        super().begin()
        self.data = self.world.origin_data

    def source(self):
        return {'uri': self.world.origin.url + self.path.replace('ID', self.image_id) % len(self.data)}


@case
class WebDownload(Web):
    name = 'web-download'


@case
class WebDownloadToTwo(Web):
    name = 'web-download-two'
    stores = ('two', 'three')


@case
class WebDownloadBroken(Web):
    """The server breaks off."""
    name = 'web-download-broken'
    path = '/flaky/ID/1/%d'


@case
class WebDownloadResumed(Web):
    """What came before it broke off, or before the kill, is gone on with."""
    name = 'web-download-resumed'
    path = '/tagged/ID/1/%d'


@case
class WebDownloadPlugins(Web):
    name = 'web-download-plugins'
    world = 'plugins'

    def end(self):
        image = self.world.image(self.image_id)
        need(image['status'] == 'active' and image['disk_format'] == 'qcow2' and image.get('injected') == 'yes', image)
        need(sha512(self.world.path_in('one', self.image_id)) == image['os_hash_value'], 'other bytes')
        self.world.need_task(self.image_id, 'success')


@case
class WebDownloadRefused(Failing, Web):
    name = 'web-download-refused'
    path = '/status/404?%d'

    def again(self):
        self.path = Web.path
        self.ask(again=True)


@case
class WebDownloadToReadOnly(Failing, Web):
    """One of the stores cannot be written to: nothing stays."""
    name = 'web-download-readonly'
    stores = ('one', 'web', 'two')

    def again(self):
        self.stores = ('one', 'two')
        self.failed = 'web'
        self.ask(again=True)


@case
class ImportAndDelete(Web):
    """Deleted while its data come."""
    name = 'web-download-deleted'
    path = '/slow/ID/%d'

    def act(self):
        self.ask()
        answer = self.world.insist(lambda c: c.delete('/v2/images/' + self.image_id))
        need(answer.status in (204, 404), 'delete', answer)

    def end(self):
        need(self.world.image(self.image_id) is None, 'the image is still there')


@case
class Remote(Import):
    """From another service, which nobody kills."""
    name = 'glance-download'
    method = 'glance-download'
    stores = ('one', 'three')

    def begin(self):
        super().begin()
        client = self.world.elsewhere.client()
        self.remote_id = client.active(self.data, name='remote', os_distro='debian')

    def source(self):
        return {'glance_region': 'there', 'glance_image_id': self.remote_id}

    def headers(self):
        endpoint = {'region': 'there', 'publicURL': self.world.elsewhere.url}
        return {'X-Auth-Token': 'token', 'X-Service-Catalog': json.dumps([{'type': 'image', 'endpoints': [endpoint]}])}


@case
class RemoteRefused(Failing, Remote):
    """Its image is not active over there."""
    name = 'glance-download-refused'

    def begin(self):
        super().begin()
        self.good_id, self.remote_id = self.remote_id, self.world.elsewhere.client().create()['id']

    def again(self):
        self.remote_id = self.good_id
        self.ask(again=True)


# ---------------------------------------------------------------- tasks

@case
class Task(Case):
    """POST /v2/tasks makes an image and imports it."""
    name = 'task'
    path = '/ok/%d'

    def begin(self):
        self.data = self.world.origin_data

    def rows(self):
        return self.world.sql("SELECT t.id, t.status, j.image_id FROM tasks t JOIN glint_jobs j ON j.id = t.id WHERE t.type = 'import' "
                              'ORDER BY t.rowid DESC LIMIT 1')

    def post(self):
        """Once it is accepted; what was not answered may have been, and is not asked for again."""
        before = self.rows()
        properties = {'name': self.name, 'disk_format': 'raw', 'container_format': 'bare'}
        body = {'type': 'import', 'input': {'import_from': self.world.origin.url + self.path % len(self.data),
                                            'import_from_format': 'raw', 'image_properties': properties}}
        while self.rows() == before:
            try:
                answer = self.world.client('admin').post('/v2/tasks', json=body)
                need(answer.status in (201, 503), 'task', answer)
            except LOST:
                glint.eventually(lambda: self.rows() != before, 1)

    def act(self):
        self.post()

    def check(self):
        (_, status, self.image_id), = self.rows()
        need(status == 'success', 'the task is', status)
        self.world.verify(self.image_id, self.data, ['one'])

    def end(self):
        self.check()


@case
class TaskRefused(Task):
    """The image goes when it fails."""
    name = 'task-refused'
    path = '/status/404?%d'

    def end(self):
        (_, status, image_id), = self.rows()
        need(status == 'failure' and self.world.image(image_id) is None, 'the task is', status, 'its image', self.world.image(image_id))
        self.path = Task.path
        self.post()
        self.world.rest()
        self.check()
