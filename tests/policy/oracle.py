# SPDX-License-Identifier: Apache-2.0
"""What an IAM policy means for execute-api, written a second time from the rules of
docs/internals/policy.md and of AWS's documents, in another language and by other means than
src/policy: regular expressions, ipaddress, Decimal, Fraction. Slow and plain; texts are code points.

judge(case) answers what `ropeline policy eval --jsonl` must print for that line."""
import base64
import binascii
import datetime
import ipaddress
import json
import re
from decimal import Decimal
from fractions import Fraction

ALLOW, EXPLICIT, IMPLICIT, INVALID = 'ALLOW', 'EXPLICIT_DENY', 'IMPLICIT_DENY', 'INVALID'


class Refused(Exception):
    """The document, or the question, cannot be judged."""


def require(condition, why):
    if not condition:
        raise Refused(why)


# ---- texts -----------------------------------------------------------------------------------

def fold(text):
    """ASCII letters lower, the rest as it is."""
    return ''.join(chr(ord(c) + 32) if 'A' <= c <= 'Z' else c for c in text)


def size(text):
    return len(text.encode('utf-8'))


def js_number(n):
    """A number as JavaScript prints it."""
    if isinstance(n, int) and abs(n) < 2 ** 53:
        return str(n)
    n = float(n)
    if n == int(n) and abs(n) < 1e21:
        return str(int(n))
    mantissa, _, exponent = repr(n).partition('e')
    if not exponent:
        return mantissa
    if -6 <= int(exponent) < 0:
        return format(Decimal(repr(n)), 'f')
    return f'{mantissa}e{"+" if int(exponent) > 0 else ""}{int(exponent)}'


def scalar(value):
    """Strings, booleans and numbers as text; None for anything else."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, (int, float)):
        return js_number(value)
    return value if isinstance(value, str) else None


# ---- patterns --------------------------------------------------------------------------------

ANY, ONE = object(), object()
VARIABLE = re.compile(r"""\$\{(?:([*?$])\}
                          |([^\x00-\x20${},'"*?]+)(?:,\ *'([^']*)'\ *)?\})""", re.X)


class Variable:
    def __init__(self, key, default):
        self.key, self.default = key, default


def read(text, variables, wildcards):
    """Characters, ANY, ONE and Variables."""
    items, at = [], 0
    while at < len(text):
        if variables and text.startswith('${', at):
            found = VARIABLE.match(text, at)
            require(found, 'malformed variable')
            items.append(found[1] or Variable(found[2], found[3]))
            at = found.end()
            continue
        items.append({'*': ANY, '?': ONE}.get(text[at], text[at]) if wildcards else text[at])
        at += 1
    require(sum(isinstance(item, Variable) for item in items) <= 16, 'too many variables')
    return items


def fill(items, context):
    """The same without variables, or None when one has no single value."""
    out = []
    for item in items:
        if not isinstance(item, Variable):
            out.append(item)
            continue
        values = context.get(fold(item.key), [])
        if not values and item.default is not None:
            values = [item.default]
        if len(values) != 1:
            return None
        out.extend(values[0])
    return out


def matches(items, text):
    """A star tries its shortest run first and grows when what follows fails."""
    i = k = 0
    star, mark = -1, 0
    while k < len(text):
        if i < len(items) and items[i] is ANY:
            star, mark = i, k
            i += 1
        elif i < len(items) and (items[i] is ONE or items[i] == text[k]):
            i += 1
            k += 1
        elif star >= 0:
            mark += 1
            i, k = star + 1, mark
        else:
            return False
    return all(item is ANY for item in items[i:])


# ---- typed values ----------------------------------------------------------------------------

NUMBER = re.compile(r'-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?')
EPOCH = re.compile(r'[0-9]{1,12}(\.[0-9]{1,9})?')
W3C = re.compile(r'([0-9]{4})(?:-([0-9]{2})(?:-([0-9]{2})'
                 r'(?:T([0-9]{2}):([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?'
                 r'(Z|[+-][0-9]{2}:[0-9]{2}))?)?)?')
CIDR = re.compile(r'([^/]*)(?:/(0|[1-9][0-9]*))?')
V4 = re.compile(r'(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}')


def number(text):
    return Decimal(text) if NUMBER.fullmatch(text) else None


def date(text):
    if EPOCH.fullmatch(text) and not re.fullmatch('[0-9]{4}', text):
        return Fraction(text)
    found = W3C.fullmatch(text)
    # a day belongs to a month, and a time to a day: the pattern alone would take 2026T..., too
    if not found or (found[4] and not found[3]):
        return None
    try:
        day = datetime.date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None
    seconds = Fraction((day - datetime.date(1970, 1, 1)).days * 86400)
    if found[4]:
        hour, minute, second = int(found[4]), int(found[5]), int(found[6] or 0)
        if hour > 23 or minute > 59 or second > 59:
            return None
        seconds += hour * 3600 + minute * 60 + second + Fraction('0' + (found[7] or '.0'))
        if found[8] != 'Z':
            ahead_h, ahead_m = int(found[8][1:3]), int(found[8][4:])
            if ahead_h > 23 or ahead_m > 59:
                return None
            ahead = ahead_h * 3600 + ahead_m * 60
            seconds += ahead if found[8][0] == '-' else -ahead
    return seconds


def network(text, may_have_bits):
    found = CIDR.fullmatch(text)
    if not found or (found[2] is not None and not may_have_bits):
        return None
    host, bits = found[1], found[2]
    if not (V4.fullmatch(host) or re.fullmatch('[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*', host)):
        return None
    try:
        if '.' in host and ':' in host and not V4.fullmatch(host.rpartition(':')[2]):
            return None
        net = ipaddress.ip_network((host, int(bits)) if bits is not None else host, strict=False)
    except ValueError:
        return None
    if net.version == 6 and net.prefixlen >= 96 and net.network_address.ipv4_mapped:
        return ipaddress.ip_network((net.network_address.ipv4_mapped, net.prefixlen - 96))
    return net


def flag(text):
    return {'true': True, 'false': False}.get(fold(text))


def octets(text):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


# ---- conditions ------------------------------------------------------------------------------

def compare(accept):
    return lambda mine, theirs: accept(theirs, mine)


ORDERS = {
    'Equals': compare(lambda a, b: a == b), 'NotEquals': compare(lambda a, b: a == b),
    'LessThan': compare(lambda a, b: a < b), 'LessThanEquals': compare(lambda a, b: a <= b),
    'GreaterThan': compare(lambda a, b: a > b), 'GreaterThanEquals': compare(lambda a, b: a >= b),
}
# name: (family, negated, how the policy's value meets the request's)
OPERATORS = {
    'StringEquals': ('text', False, None), 'StringNotEquals': ('text', True, None),
    'StringEqualsIgnoreCase': ('folded', False, None),
    'StringNotEqualsIgnoreCase': ('folded', True, None),
    'StringLike': ('glob', False, None), 'StringNotLike': ('glob', True, None),
    'ArnEquals': ('arn', False, None), 'ArnLike': ('arn', False, None),
    'ArnNotEquals': ('arn', True, None), 'ArnNotLike': ('arn', True, None),
    'Bool': (flag, False, lambda mine, theirs: mine == theirs),
    'BinaryEquals': (octets, False, lambda mine, theirs: mine == theirs),
    'IpAddress': ('ip', False, None), 'NotIpAddress': ('ip', True, None),
    'Null': ('null', False, None),
}
for order, meets in ORDERS.items():
    OPERATORS['Numeric' + order] = (number, order == 'NotEquals', meets)
    OPERATORS['Date' + order] = (date, order == 'NotEquals', meets)


def split_arn(items):
    """Six parts at the first five colons, or None."""
    parts, rest = [], list(items)
    for _ in range(5):
        if ':' not in rest:
            return None
        at = rest.index(':')
        parts.append(rest[:at])
        rest = rest[at + 1:]
    return parts + [rest]


class Condition:
    def __init__(self, operator, key, values, variables):
        self.key = fold(key)
        self.quantifier, _, name = operator.rpartition(':')
        require(self.quantifier in ('', 'ForAnyValue', 'ForAllValues'), 'unknown operator')
        self.if_exists = name.endswith('IfExists')
        name = name.removesuffix('IfExists')
        require(name in OPERATORS, 'unknown operator')
        self.family, self.negated, self.meets = OPERATORS[name]
        require(self.family != 'null' or not (self.if_exists or self.quantifier), 'Null')
        values = values if isinstance(values, list) else [values]
        require(values, 'no value')
        self.values = [self.read(scalar(value), variables) for value in values]

    def read(self, text, variables):
        require(text is not None and size(text) <= 512, 'wrong value')
        if self.family in ('text', 'folded', 'glob', 'arn'):
            items = read(text, variables, self.family in ('glob', 'arn'))
            constant = not any(isinstance(item, Variable) for item in items)
            require(self.family != 'arn' or not constant or split_arn(items), 'no ARN')
            return items
        reader = {'ip': lambda s: network(s, True), 'null': flag}.get(self.family, self.family)
        value = reader(text)
        require(value is not None, 'wrong value')
        return value

    def accepts(self, text, context):
        """One value of the request; a negated operator: none of the policy's may match."""
        if self.family == 'ip':
            address = network(text, False)
            if address is None:
                return False
            met = any(net.version == address.version and address.subnet_of(net)
                      for net in self.values)
        elif callable(self.family):
            theirs = self.family(text)
            met = theirs is not None and any(self.meets(mine, theirs) for mine in self.values)
        else:
            met = any(self.text_meets(mine, text, context) for mine in self.values)
        return met != self.negated

    def text_meets(self, items, text, context):
        items = fill(items, context)
        if items is None:
            return False
        if self.family == 'glob':
            return matches(items, text)
        if self.family == 'arn':
            mine, theirs = split_arn(items), split_arn(text)
            return bool(mine and theirs) and all(map(matches, mine, theirs))
        mine = ''.join(items)
        return fold(mine) == fold(text) if self.family == 'folded' else mine == text

    def holds(self, context):
        values = context.get(self.key, [])
        if self.family == 'null':
            return (not values) in self.values
        if not values:
            if self.if_exists or self.quantifier == 'ForAllValues':
                return True
            return self.negated and self.quantifier != 'ForAnyValue'
        each = [self.accepts(value, context) for value in values]
        if self.quantifier:
            return any(each) if self.quantifier == 'ForAnyValue' else all(each)
        return len(each) == 1 and each[0]


# ---- statements ------------------------------------------------------------------------------

def strings(value):
    value = value if isinstance(value, list) else [value]
    require(value and all(isinstance(item, str) for item in value), 'not strings')
    return value


class Principals:
    KINDS = ('AWS', 'Service', 'Federated', 'CanonicalUser')

    def __init__(self, value, deny):
        self.deny, self.everybody, self.named = deny, value == '*', []
        if self.everybody:
            return
        require(isinstance(value, dict) and value, 'principal')
        for kind, names in value.items():
            require(kind in self.KINDS, 'kind of principal')
            for name in strings(names):
                if kind == 'AWS':
                    self.add(name)

    def add(self, name):
        if name == '*':
            self.everybody = True
            return
        arn = name.startswith('arn:') and name.count(':') >= 5 and not re.search('[*?]', name)
        require(size(name) <= 512 and (arn or re.fullmatch('[0-9]{12}', name)), 'principal')
        self.named.append(name)

    def include(self, caller):
        if self.everybody:
            return True
        if not caller:
            return False
        account = (caller.split(':', 5) + [''] * 5)[4]
        for name in self.named:
            fields = name.split(':', 5)
            if len(fields) == 1 or (fields[2] == 'iam' and fields[5] == 'root'):
                if self.deny and (name if len(fields) == 1 else fields[4]) == account:
                    return True
            elif name == caller:
                return True
        return False


class Statement:
    ELEMENTS = {'Sid', 'Effect', 'Action', 'NotAction', 'Resource', 'NotResource', 'Principal',
                'Condition'}

    def __init__(self, value, variables, home):
        require(isinstance(value, dict), 'statement')
        require(set(value) <= self.ELEMENTS | ({'NotPrincipal'} if home else set()), 'element')
        require(isinstance(value.get('Sid', ''), str), 'Sid')
        effect = value.get('Effect')
        require(isinstance(effect, str) and fold(effect) in ('allow', 'deny'), 'Effect')
        self.deny = fold(effect) == 'deny'
        self.not_action, actions = self.pair(value, 'Action')
        self.not_resource, resources = self.pair(value, 'Resource')
        self.actions = [read(fold(text), variables, True) for text in actions]
        require(not any(isinstance(item, Variable) for items in self.actions for item in items),
                'variable in Action')
        self.resources = []
        for text in resources:
            self.add_resource(self.expand(text, home) if home else text, variables)
        condition = value.get('Condition', {})
        require(isinstance(condition, dict), 'Condition')
        self.conditions = []
        for operator, keys in condition.items():
            require(isinstance(keys, dict) and keys, 'keys')
            for key, values in keys.items():
                require(key and size(key) <= 512, 'key')
                self.conditions.append(Condition(operator, key, values, variables))
        self.principals, self.not_principal = None, False
        if home:
            require(('Principal' in value) != ('NotPrincipal' in value), 'Principal')
            self.not_principal = 'NotPrincipal' in value
            require(self.deny or not self.not_principal, 'NotPrincipal')
            self.principals = Principals(value.get('Principal', value.get('NotPrincipal')),
                                         self.deny)

    @staticmethod
    def pair(value, name):
        require((name in value) != ('Not' + name in value), name)
        inverted = 'Not' + name in value
        texts = strings(value['Not' + name if inverted else name])
        require(all(size(text) <= 512 for text in texts), 'too long')
        return inverted, texts

    @staticmethod
    def expand(text, home):
        if not text.startswith(('arn:', '*')):
            require(text.startswith('execute-api:/'), 'Resource')
            text = home + text.removeprefix('execute-api:')
            require(size(text) <= 512, 'too long')
        return text

    def add_resource(self, text, variables):
        items = read(text, variables, True)
        if any(isinstance(item, Variable) for item in items):
            first = next(i for i, item in enumerate(items) if isinstance(item, Variable))
            require(items[:first].count(':') >= 5, 'variable before the last part')
        self.resources.append(items)
        # an incomplete ARN is read both ways where that takes access away
        colons = text.count(':')
        incomplete = text.startswith('arn:') and colons < 5 and '/' not in text and text[-1] != '*'
        if incomplete and self.deny != self.not_resource:
            self.resources.append(items + [':', ANY] * (5 - colons))

    def applies(self, question):
        if any(matches(items, question.action) for items in self.actions) == self.not_action:
            return False
        filled = [fill(items, question.context) for items in self.resources]
        hit = any(items is not None and matches(items, question.resource) for items in filled)
        if self.not_resource:
            # what a variable without a value stands for is unknown: we permit no more
            hit = hit or (None in filled and not self.deny)
        if hit == self.not_resource:
            return False
        if self.principals and self.principals.include(question.caller) == self.not_principal:
            return False
        return all(condition.holds(question.context) for condition in self.conditions)


class Policy:
    def __init__(self, document, home=None):
        require(isinstance(document, dict) and set(document) <= {'Version', 'Id', 'Statement'},
                'document')
        if home:
            text = json.dumps(document, separators=(',', ':'), ensure_ascii=False)
            require(size(text) <= 8192, 'too long')
        require(isinstance(document.get('Id', ''), str), 'Id')
        version = document.get('Version', '2008-10-17')
        require(version in ('2008-10-17', '2012-10-17'), 'Version')
        statements = document.get('Statement')
        if isinstance(statements, dict):
            statements = [statements]
        require(isinstance(statements, list) and len(statements) <= 1024, 'Statement')
        self.statements = [Statement(one, version == '2012-10-17', home) for one in statements]

    def judge(self, question):
        effects = {one.deny for one in self.statements if one.applies(question)}
        return EXPLICIT if True in effects else ALLOW if effects else IMPLICIT


class Question:
    def __init__(self, request):
        require(isinstance(request, dict), 'request')
        self.resource = request.get('methodArn')
        require(isinstance(self.resource, str), 'methodArn')
        action = request.get('action')
        self.action = fold(action if isinstance(action, str) else 'execute-api:Invoke')
        caller = request.get('principal')
        self.caller = caller if isinstance(caller, str) else ''
        self.context = {}
        context = request.get('context', {})
        require(isinstance(context, dict), 'context')
        for key, values in context.items():
            values = [scalar(v) for v in (values if isinstance(values, list) else [values])]
            require(None not in values, 'context')
            self.context.setdefault(fold(key), values)


def judge(case):
    try:
        question = Question(case.get('request'))
        require('policy' in case or 'resourcePolicy' in case, 'no policy')
        verdicts = []
        if 'resourcePolicy' in case:
            fields = (question.resource.split(':', 5) + [''] * 6)[:6]
            home = f'arn:{fields[1]}:execute-api:{fields[3]}:{fields[4]}:{fields[5].split("/")[0]}'
            verdicts.append(Policy(case['resourcePolicy'], home).judge(question))
        if 'policy' in case:
            verdicts.append(Policy(case['policy']).judge(question))
    except Refused:
        return INVALID
    return next(verdict for verdict in (EXPLICIT, ALLOW, IMPLICIT) if verdict in verdicts)
