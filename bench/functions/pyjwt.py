# SPDX-License-Identifier: Apache-2.0
"""An authorizer in Python as far as starting it goes: it loads PyJWT and verifies."""
import os
import time

import jwt


def handler(event, context):
    at = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    secret = 'a secret of thirty-two bytes ....'
    token = jwt.encode({'sub': 'ana'}, secret, algorithm='HS256')
    value = jwt.decode(token, secret, algorithms=['HS256'])['sub']
    query = event.get('queryStringParameters') or {}
    time.sleep(int(query.get('wait', 0)) / 1000)
    return {'statusCode': 200, 'body': f'{at} {os.getpid()} {value}'}
