# SPDX-License-Identifier: Apache-2.0
"""Nothing of ours lies in a store's or the staging directory while nothing is under way."""
import os

from glint import MIB, eventually, pattern


def test_directories_hold_images_alone(glint_server):
    server = glint_server(trusted=True)
    member = server.client()
    assert os.listdir(server.images) == [] and os.listdir(server.staging) == []
    image, staged = member.active(pattern(MIB)), member.create()['id']
    assert os.listdir(server.images) == [image]
    answer = member.put('/v2/images/%s/stage' % staged, b'staged', headers={'Content-Type': 'application/octet-stream'})
    assert answer.status == 204 and os.listdir(server.staging) == [staged]
    half = member.half_upload(member.create()['id'], MIB, 1000)
    half.close()
    assert member.delete('/v2/images/' + image).status == 204
    assert member.delete('/v2/images/' + staged).status == 204
    assert eventually(lambda: os.listdir(server.images) == [] and os.listdir(server.staging) == [])
    os.rmdir(server.images)
