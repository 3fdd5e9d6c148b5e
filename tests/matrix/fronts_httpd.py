# SPDX-License-Identifier: Apache-2.0
"""The service inside Apache httpd, with each of its ways to run."""
import os

import httpd
from fronts import Front, front

MOUNTED = '''
LoadModule glint_module %s
GlintProgram %s
<Location "/image">
    Glint On
    GlintConfig %s
    GlintWorker On
    EnableSendfile On
</Location>
LimitRequestFieldSize 65536
'''


class Inside(Front):
    prefix = '/image'
    mpm = None
    config = {}

    @classmethod
    def missing(cls):
        return httpd.missing()

    def start(self):
        self.background = httpd.Data(self.directory, trusted=True, config=self.config)
        self.server = httpd.Httpd(self.directory + '/httpd', MOUNTED % (httpd.MODULE, httpd.program(self.directory), self.background.conf), mpm=self.mpm)
        self.port = self.server.port
        self.server.start()

    def stop(self):
        if hasattr(self, 'server'):
            self.server.stop()

    def reload(self):
        self.server.graceful()

    def kill(self):
        self.server.kill_children()

    def pids(self):
        return [self.server.process.pid]

    def logs(self):
        return self.server.log() if hasattr(self, 'server') else ''


@front
class Event(Inside):
    name = 'mod-glint-event'
    mpm = 'event'


@front
class Worker(Inside):
    name = 'mod-glint-worker'
    mpm = 'worker'


@front
class Prefork(Inside):
    name = 'mod-glint-prefork'
    mpm = 'prefork'
