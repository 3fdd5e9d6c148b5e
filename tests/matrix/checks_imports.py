# SPDX-License-Identifier: Apache-2.0
"""Checks of imports: the request goes through the front, the work is done by `glint worker`, whoever keeps that alive."""
import contextlib
import time

import wire
from checks import DATA, check, need, pattern, refused_while_sending, verify

SECONDS = 20        # an import that was interrupted is active again within so many


def imported(front, image, data):
    """Asked by a client that comes again where a server that is being reloaded gives no answer, or 503."""
    end, shown = time.monotonic() + SECONDS * front.slow, None
    while time.monotonic() < end:
        with contextlib.suppress(OSError, wire.Broken):
            shown = front.client.call('GET', '/v2/images/' + image)
            if shown.status == 200 and shown.json['status'] == 'active':
                break
        time.sleep(0.1)
    need(shown and shown.status == 200 and shown.json['status'] == 'active', 'the image is', shown)
    verify(front, image, data)


def staged(front, answer, image, data):
    need(answer.status == 204, 'stage', answer)
    need(front.client.show(image)['status'] == 'uploading', 'the image is', front.client.show(image)['status'])
    answer = front.client.bring_in(image, 'glance-direct')
    need(answer.status == 202, 'import', answer)
    imported(front, image, data)


@check
def stage_and_import(front):
    image = front.client.create()
    staged(front, front.client.upload(image, DATA, what='stage'), image, DATA)


@check
def stage_chunked_and_import(front):
    image, data = front.client.create(), pattern(700003, 4)
    staged(front, front.client.upload_chunked(image, data, [4097, 13], what='stage'), image, data)


@check
def refusal_of_staging_before_a_large_body(front):
    refused_while_sending(front, 'stage')


@check
def vanish_while_staging(front):
    """Nothing is left that keeps a second try from it."""
    for headers, body in (wire.length(len(DATA)), DATA[:400000]), (wire.CHUNKED, b'%x\r\n' % len(DATA) + DATA[:400000]):
        image = front.client.create()
        with front.client.connect() as c:
            c.head('PUT', '/v2/images/%s/stage' % image, headers)
            c.send(body)
            time.sleep(0.3)
        status = front.client.wait_for(image, ['queued'])
        need(status == 'queued', 'the image of a broken staging is', status)
        staged(front, front.client.upload(image, DATA, what='stage'), image, DATA)
