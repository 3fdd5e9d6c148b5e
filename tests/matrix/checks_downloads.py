# SPDX-License-Identifier: Apache-2.0
"""Checks of imports from another server, and of what dies or is reloaded while one is under way."""
import os
import sys
import time

from checks import MIB, check, need
from checks_imports import SECONDS, imported

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..'))
import origin  # noqa: E402

WEB = []


def web():
    """The server that images are downloaded from; one for all fronts."""
    if not WEB:
        WEB.append(origin.start())
    return WEB[0]


@check
def web_download(front):
    image, data = front.client.create(), origin.content(500009)
    answer = front.client.bring_in(image, 'web-download', uri=web().url + '/ok/%d' % len(data))
    need(answer.status == 202, 'import', answer)
    imported(front, image, data)


# ---------------------------------------------------------------- what dies or is reloaded in the meantime

def interrupted(front, interrupt):
    """An import that has half of its data when interrupt() happens."""
    image, data = front.client.create(), origin.content(3 * MIB)
    answer = front.client.bring_in(image, 'web-download', uri=web().url + '/gate/%s/%d' % (image, len(data)))
    need(answer.status == 202, 'import', answer)
    end = time.monotonic() + SECONDS * front.slow
    while origin.Handler.counts[image] == 0 and time.monotonic() < end:
        time.sleep(0.05)
    need(origin.Handler.counts[image] == 1, 'the download does not begin')
    interrupt()
    front.wait_ready()
    origin.Handler.gates[image].set()
    imported(front, image, data)


@check
def reload_within_an_import(front):
    interrupted(front, front.reload)


@check
def service_killed_within_an_import(front):
    def interrupt():
        front.kill()
        front.revive()
    interrupted(front, interrupt)


@check
def worker_killed_within_an_import(front):
    interrupted(front, front.kill_worker)
