const test = require('tape');
const parse = require('./package');

test('a word and a number', (t) => {
  t.deepEqual(parse(['--level', '2', 'file']), { _: ['file'], level: 2 });
  t.end();
});
