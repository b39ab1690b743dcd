import assert from 'node:assert/strict';
import test from 'node:test';

import { greeting } from '../greeting.mjs';

test('by day', () => assert.equal(greeting('world'), 'hello, world'));
test('in the evening', async () => assert.equal(await greeting('world', 19), 'good evening, world'));
