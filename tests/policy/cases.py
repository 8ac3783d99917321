# SPDX-License-Identifier: Apache-2.0
"""Cases for the differential test: draw(random) makes one line of `ropeline policy eval --jsonl`.
The request is drawn first and the policies from it, so that most patterns and values are hits or
near misses; some documents are broken afterwards."""
import base64

import oracle

SEGMENTS = ['a', 'ab', 'pets', '7', 'é', '日本', 'a:b', 'a*b', 'a?b', '%2F', '', 'A', '😀', '${x}', 'x.y',
            '$default']
VERBS = ['GET', 'POST', 'DELETE']
STAGES = ['prod', 'dev']
ACTIONS = ['execute-api:Invoke'] * 8 + ['execute-api:InvalidateCache', 'execute-api:ManageConnections',
                                        'EXECUTE-API:invoke', 's3:GetObject', '']
KEYS = ['aws:SourceIp', 'aws:UserAgent', 'aws:Referer', 'aws:username', 'aws:CurrentTime',
        'aws:EpochTime', 'aws:SecureTransport', 'aws:PrincipalArn', 'aws:SourceArn', 'aws:TagKeys',
        'aws:SourceVpc', 'aws:MultiFactorAuthAge', 'custom:blob']
PRINCIPALS = ['arn:aws:iam::111122223333:user/ana', 'arn:aws:iam::111122223333:root', '111122223333',
              '999999999999', 'arn:aws:sts::111122223333:assumed-role/r/s', '*']
WORDS = ['a', 'A', 'ab', 'ana', 'Ana', 'a*', 'a?', '*', '', 'é', 'É', 'x/y', 'a:b', '${aws:username}',
         'Mozilla/5.0', '日本', '😀', "it's", '"', '\\', '\n', ' ']
ADDRESSES = ['10.0.0.1', '10.255.255.255', '11.0.0.0', '192.0.2.7', '0.0.0.0', '255.255.255.255', '::1',
             '2001:db8::1', '2001:db8:8000::', '::ffff:10.0.0.1', '::ffff:a00:1', '::', 'fe80::1',
             '010.0.0.1', '10.1', '1.2.3.4, 5.6.7.8', 'fe80::1%eth0', '', 'x', '10.0.0.1/32', '10.0.0.256',
             '::10.0.0.1', '1::2::3', '10.0.0.1 ', '2001:DB8::1', '::ffff:10.0.0.01']
NETWORKS = ['10.0.0.0/8', '10.1.2.3/8', '0.0.0.0/0', '::/0', '10.0.0.1', '10.0.0.1/32', '10.0.0.0/31',
            '2001:db8::/32', '2001:db8::/33', '2001:db8::1/128', '::ffff:10.0.0.0/104', '::ffff:0:0/96',
            '::ffff:0:0/95', '192.0.2.0/24', '192.0.2.7/25']
BAD_NETWORKS = ['10.0.0.0/33', '::/129', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/255.0.0.0', '010.0.0.0/8',
                '', '*', '10.0.0', '/8', '10.0.0.0/+8', '10.0.0.0/8 ', 'fe80::1%1/64']
NUMBERS = ['0', '-0', '1', '10', '10.0', '1e1', '1E+1', '100e-1', '-1', '-1.5', '0.1', '0.10', '9.99',
           '9007199254740992', '9007199254740993', '1e400', '1e-400', '00', '007', '1.5', '3600']
BAD_NUMBERS = ['', 'x', '+1', '1.', '.5', '1e', '0x1', ' 1', '1 ', '1e99999', '--1', '1,5', '١', 'NaN']
DATES = ['2026', '2026-11', '2026-11-22', '2026-11-22T07:00Z', '2026-11-22T07:00:00Z',
         '2026-11-22T07:00:00.5Z', '2026-11-22T08:00:00+01:00', '2026-11-21T23:30:00-07:30', '1795330800',
         '1795330800.5', '0', '1767225600', '2024-02-29', '0001-01-01', '9999-12-31T23:59:59.999999999Z',
         '2026-11-22T07:00:00.000000001Z', '12345', '2026-12-01T00:00:00Z', '1900-03-01', '2000-02-29']
BAD_DATES = ['', 'x', '2026-13', '2026-00-01', '2026-02-30', '2025-02-29', '1900-02-29', '2026-11-22T07Z',
             '2026-11-22T07:00:00', '2026-11-22T24:00:00Z', '2026-11-22T07:60:00Z', '2026-11-22t07:00:00Z',
             '2026-11-22T07:00:60Z', '2026-11-22T07:00:00+0100', '2026-11-22T07:00:00+24:00', '-1',
             '2026-11-22 07:00:00Z', '1234567890123', '1.', '26-11-22', '0000-01-01', '2026T07:00Z',
             '2026-11T07:00Z', '2026-1-1', '2026-11-22T07:00:00.Z', '2026-11-22T07:00:00.1234567890Z',
             '2026-11-22T07:00:00+01:60', '2026-11-22Z']
FLAGS = ['true', 'false', 'True', 'FALSE']
BAD_FLAGS = ['', '1', 'yes', 'true ', 'TRUE\u0130'[:4] + 'x']
BLOBS = [base64.b64encode(data).decode() for data in (b'', b'\0', b'\1\2', b'\1\2\3', b'\xff' * 5)]
BAD_BLOBS = ['A', 'AQI', 'AQJ=', 'AR==', 'AQ=', '====', 'AQ==AQ==', 'A-_=', 'AQI=\n', 'AQ I=']
ARNS = ['arn:aws:iam::111122223333:user/ana', 'arn:aws:iam::111122223333:role/a:b/c',
        'arn:aws:s3:::bucket/key', 'arn:aws-cn:sqs:eu-west-1:1:q', 'a:b:c:d:e:f', ':::::']
BAD_ARNS = ['', 'arn:aws:iam', '*', 'arn:aws:iam::1', 'x']

FAMILIES = {
    'String': (WORDS + ARNS, []), 'Arn': (ARNS, BAD_ARNS), 'Numeric': (NUMBERS, BAD_NUMBERS),
    'Date': (DATES, BAD_DATES), 'Bool': (FLAGS, BAD_FLAGS), 'Binary': (BLOBS, BAD_BLOBS),
    'IpAddress': (ADDRESSES, []), 'NotIpAddress': (ADDRESSES, []), 'Null': (WORDS, []),
}
OPERATORS = sorted(oracle.OPERATORS)
BAD_OPERATORS = ['StringEqual', 'stringEquals', 'NullIfExists', 'ForAnyValue:Null', 'ForAllValues:Null', 'Like',
                 'ForAny:StringLike', 'StringLikeIfExistsIfExists', 'IfExists', '', 'IpEquals',
                 'ForAnyValue:ForAnyValue:StringLike', 'BinaryNotEquals', 'BoolIfExist',
                 'forAnyValue:StringLike', 'ForAnyValue:', 'StringEquals ', 'DateLike']


def family_of(operator):
    return FAMILIES[next(name for name in sorted(FAMILIES, key=len, reverse=True)
                         if operator.startswith(name))]


class Draw:
    def __init__(self, random):
        self.random = random
        self.chance = lambda one_in: random.randrange(one_in) == 0
        self.pick = random.choice

    # -- the request --

    def value(self, good, bad=(), odd=25):
        if bad and self.chance(6):
            return self.pick(bad)
        if self.chance(odd):
            return self.pick([True, False, 7, 0, -1.5, 1e21, 1e-7, 123456789.25, 0.1, 1795330800])
        return self.pick(good)

    def request(self):
        path = '/'.join(self.pick(SEGMENTS) for _ in range(self.random.randrange(4)))
        self.api = self.pick(['a1b2c3d4e5', 'a1b2c3d4e5', 'zzzzzzzzzz'])
        self.resource = (f'arn:aws:execute-api:eu-west-1:111122223333:{self.api}/'
                         f'{self.pick(STAGES)}/{self.pick(VERBS)}/{path}')
        self.context = {}
        request = {'methodArn': self.resource}
        self.action = 'execute-api:Invoke'
        if self.chance(3):
            request['action'] = self.action = self.pick(ACTIONS)
        if self.chance(3):
            request['principal'] = self.pick(PRINCIPALS)
        if self.chance(8):
            return request
        request['context'] = self.context
        for _ in range(self.random.randrange(4)):
            good, bad = FAMILIES[self.pick(sorted(FAMILIES))]
            self.set_key(self.pick(KEYS), good, bad)
        return request

    def set_key(self, key, good, bad):
        if self.chance(4):
            count = self.random.randrange(4)
            self.context[self.cased(key)] = [self.value(good, bad) for _ in range(count)]
        else:
            self.context[self.cased(key)] = self.value(good, bad)

    def cased(self, key):
        return self.pick([key, key, key, key.lower(), key.upper()])

    # -- patterns --

    def variable(self):
        form = self.random.randrange(10)
        if form < 3:
            return self.pick(['${*}', '${?}', '${$}'])
        key = self.cased(self.pick(KEYS))
        if form < 8:
            return '${%s}' % key
        return "${%s%s'%s'}" % (key, self.pick([',', ', ', ',  ']), self.pick(
            ['a', 'ab', '', '*', '7', '${x}', 'a}b', 'GET']))

    def blurred(self, text, variables=True, times=3):
        """The text with parts of it made wildcards, variables, or something else."""
        for _ in range(self.random.randrange(times + 1)):
            if not text:
                break
            at = self.random.randrange(len(text))
            end = min(len(text), at + self.pick([1, 1, 2, 5, 30]))
            text = text[:at] + self.filling(text[at:end], variables) + text[end:]
        return text

    def filling(self, old, variables):
        if variables and self.chance(6):
            return self.variable()
        return self.pick(['*', '*', '*', '**', '?', '?' * len(old), '*?', old.upper(), old, 'x', ''])

    def resource_pattern(self, short_form=False):
        kind = self.random.randrange(12)
        if kind == 0:
            return self.pick(['*', '**', 'arn:aws:execute-api:*', 'arn:aws:execute-api:**', 'arn:aws:*',
                              'arn:aws:execute-api', 'arn:aws:execute-api:eu-west-1', 'arn:aws:sqs',
                              'arn:aws:execute-api:*:111122223333', 'arn:aws:execute-api:eu-west-1:*', 'arn:',
                              'arn:aws:s3:::bucket', '', '?*', 'arn:aws:execute-api:*:*:*',
                              'arn:aws:execute-api:eu-west-1:1111222233${*}'])
        prefix, _, below = self.resource.partition('/')
        if kind < 4:
            return prefix + '/' + self.blurred(below)
        if short_form and kind < 9:
            return 'execute-api:/' + self.blurred(below)
        if kind < 6:
            segments = below.split('/')
            segments[self.random.randrange(len(segments))] = self.pick(['*', '?', self.variable()])
            return prefix + '/' + '/'.join(segments)
        if kind < 8:
            return self.resource[:self.random.randrange(len(self.resource) + 1)] + '*'
        if kind < 9:
            return 'a' * self.pick([511, 512, 513]) if self.chance(40) else self.resource
        return self.blurred(self.resource)

    def action_pattern(self):
        return self.pick(['execute-api:Invoke', 'execute-api:Invoke', '*', 'execute-api:*', 'execute-api:Inv*',
                          'EXECUTE-API:INVOKE', '*:invoke', 's3:*', 'execute-api:Invok?', self.action,
                          self.blurred(self.action, self.chance(30))])

    def listed(self, make, *args):
        if self.chance(3):
            return [make(*args) for _ in range(self.random.randrange(1, 4))]
        return make(*args)

    # -- conditions --

    def condition_value(self, operator, key):
        good, bad = family_of(operator)
        if operator.endswith('IpAddress'):
            good, bad = NETWORKS, BAD_NETWORKS
        elif operator == 'Null':
            good, bad = FLAGS, BAD_FLAGS
        if bad and self.chance(150):
            return self.pick(bad)
        seen = next((v for k, v in self.context.items() if oracle.fold(k) == oracle.fold(key)), None)
        if isinstance(seen, list):
            seen = self.pick(seen) if seen else None
        value = seen if seen is not None and self.chance(2) and operator[:4] in (
            'Stri', 'ArnL', 'ArnE', 'ArnN') else self.value(good, odd=200)
        if isinstance(value, str) and operator.startswith(('String', 'Arn')):
            value = self.arn_or_text(operator, value)
        return value

    def arn_or_text(self, operator, value):
        if operator.startswith('Arn'):
            parts = value.split(':', 5)
            at = self.random.randrange(len(parts))
            parts[at] = self.pick([parts[at], '*', self.blurred(parts[at]), self.variable()])
            return ':'.join(parts)
        if self.chance(3):
            return self.variable() + self.pick(['', '', '*', '?', 'a', self.variable()])
        return self.blurred(value, times=1)

    def condition(self):
        operators = {}
        for _ in range(self.pick([1, 1, 1, 2, 3])):
            operator = self.pick(OPERATORS)
            written = operator
            if operator != 'Null':
                written += self.pick(['', '', 'IfExists'])
                written = self.pick(['', '', '', 'ForAnyValue:', 'ForAllValues:']) + written
            if self.chance(300):
                written = self.pick(BAD_OPERATORS)
            keys = operators.setdefault(written, {})
            for _ in range(self.pick([1, 1, 2])):
                known = [k for k in KEYS if any(k.lower() == seen.lower() for seen in self.context)]
                key = self.cased(self.pick(known if known and not self.chance(4) else KEYS))
                keys[key] = self.listed(self.condition_value, operator, key)
        return operators

    # -- documents --

    def principal(self):
        if self.chance(2):
            return '*'
        return {self.pick(['AWS', 'AWS', 'AWS', 'Service', 'Federated', 'CanonicalUser']):
                self.listed(self.pick, PRINCIPALS)}

    def statement(self, of_resource):
        negated = lambda one_in: 'Not' if self.chance(one_in) else ''
        statement = {
            'Effect': self.pick(['Allow', 'Allow', 'Allow', 'Deny', 'allow', 'deny']),
            negated(8) + 'Action': self.listed(self.action_pattern),
            negated(8) + 'Resource': self.listed(self.resource_pattern, of_resource),
        }
        if self.chance(2):
            statement['Condition'] = self.condition()
        if self.chance(10):
            statement['Sid'] = self.pick(['', 'a', 'x' * 9000 if self.chance(20) else 'b'])
        if of_resource:
            denies = statement['Effect'].lower() == 'deny'
            inverted = self.chance(4) if denies else self.chance(200)
            statement['NotPrincipal' if inverted else 'Principal'] = self.principal()
        elif self.chance(20):
            statement['Principal'] = self.pick(['*', {'AWS': '*'}, 7])
        return statement

    def document(self, of_resource):
        document = {'Version': '2012-10-17'}
        if self.chance(5):
            document = self.pick([{}, {'Version': '2008-10-17'}])
        statements = [self.statement(of_resource) for _ in range(self.pick([0, 1, 1, 1, 2, 2, 3, 4]))]
        document['Statement'] = (statements[0] if len(statements) == 1 and self.chance(3)
                                 else statements)
        if self.chance(20):
            document['Id'] = 'x'
        return self.broken(document) if self.chance(40) else document

    def broken(self, document):
        """One random change somewhere in the tree."""
        holder = document
        while True:
            below = [v for v in (holder.values() if isinstance(holder, dict) else holder)
                     if isinstance(v, (dict, list)) and v]
            if not below or self.chance(3):
                break
            holder = self.pick(below)
        odd = self.pick([None, 7, True, [], {}, '', 'x', ['x'], [[]], {'x': 'y'}, '2012-10-18', '${', '${}',
                         '${a,b}', "${a,'b}", '${a b}', '${' * 3, 'x' * 600])
        if isinstance(holder, list):
            holder[self.random.randrange(len(holder))] = odd
        else:
            key = self.pick(sorted(holder)) if holder else 'x'
            change = self.random.randrange(4)
            if change == 0:
                holder.pop(key, None)
            elif change == 1:
                holder[key] = odd
            elif change == 2:
                holder[self.pick(['x', key.lower(), 'Not' + key, '', 'Principal', 'NotPrincipal'])] = odd
            else:
                holder[key + self.pick(['', 's', ' '])] = holder.pop(key, odd)
        return document

    def case(self):
        case = {'request': self.request()}
        if not self.chance(4):
            case['policy'] = self.document(False)
        if 'policy' not in case or self.chance(8):
            case['resourcePolicy'] = self.document(True)
        if self.chance(500):
            case['request'][self.pick(['methodArn', 'context', 'action'])] = self.pick(
                [None, 7, {'a': None}, {'a': [{}]}, 'x', []])
        return case


def draw(random):
    return Draw(random).case()
