// Mends four defects of postgres.js 3.4.9 that show when a connection dies, and saves round trips
// (docs/decisions/003-driver-patch.md). Runs after every installation; fails when the driver has changed.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, sep } from 'node:path';

const MARK = '/* lethe: guarded against a closed socket */';
const EDITS = [
  // A transaction goes on to its next statement although the socket is gone: reject it instead of buffering it.
  // True, because anything else files the closed connection as full, and the pool never opens it again.
  [
    /function execute\(q\) \{\n/,
    (found) =>
      `${found}    ${MARK}\n    if (socket === null) {\n      queryError(q, Errors.connection('CONNECTION_CLOSED', options))\n      return true\n    }\n\n`,
  ],
  // The deferred write finds no socket: an exception here belongs to no query and ends the process.
  [
    /function nextWrite\(fn\) \{\n/,
    (found) => `${found}    if (socket === null) {\n      chunk = nextWriteTimer = null\n      return false\n    }\n`,
  ],
  // The timer was cleared but not forgotten: the next connection would buffer its writes for ever.
  [
    /clearImmediate\(nextWriteTimer\)\n(?= {4}(if \(socket\)|socket\.removeListener))/g,
    (found) => `${found}    chunk = nextWriteTimer = null\n`,
  ],
  // The server said why it ended the session (a time limit, a restart): that reason, not "closed", is the error.
  [
    /error\(Errors\.connection\('CONNECTION_CLOSED', options, socket\)\)\n/,
    () => "error(errorResponse || Errors.connection('CONNECTION_CLOSED', options, socket))\n    errorResponse = null\n",
  ],
];

const SECOND_MARK = '/* lethe: the query of the closed connection is answered */';
const SECOND_EDITS = [
  // A server that starts refuses the next connection. Filed under the old query, that refusal reaches nobody. The new
  // query waits, and the driver connects again without a pause for as long as the recovery takes.
  [/closedTime = performance\.now\(\)\n/, (found) => `query = null ${SECOND_MARK}\n    ${found}`],
];

const THIRD_MARK = '/* lethe: described only for what needs its type */';
const THIRD_EDITS = [
  // Without prepared statements the driver asks for the types of all parameters, waits, and only then sends them:
  // two round trips for every statement. Text, numbers and booleans are sent as text whatever their type.
  [
    /q\.describeFirst = q\.onlyDescribe \|\| \(parameters\.length && !q\.prepared\)\n/,
    () =>
      `q.describeFirst = q.onlyDescribe || (parameters.length && !q.prepared ${THIRD_MARK}\n      && (q.prepare || parameters.some(x => x !== null && typeof x === 'object')))\n`,
  ],
  // Without that wait a full pool would put a statement behind a slow one; with `max_pipeline: 0` it waits for the first
  // free connection instead. A transaction still gets hold of its own, and may send statements one behind the other.
  [
    /&& sent\.length < max_pipeline\n/,
    () => '&& (q.options.onexecute || connection.reserved || sent.length < max_pipeline)\n',
  ],
];

const FOURTH_MARK = '/* lethe: kept where it was asked for */';
const FOURTH_EDITS = [
  // With `prepare` the driver's own COMMIT is prepared too. Where the session has lost it, the driver tries again in
  // the failed transaction, which answers ROLLBACK: success, to whoever waits. `asked`: only what asks for it.
  [
    /q\.prepare = options\.prepare && \('prepare' in q\.options \? q\.options\.prepare : true\)\n/,
    () =>
      `q.prepare = (options.prepare || options.asked) ${FOURTH_MARK}\n      && ('prepare' in q.options ? q.options.prepare : options.prepare)\n`,
  ],
  // The first use of a prepared statement on each connection waited for the types, and a pipeline with it.
  [/\(q\.prepare \|\| parameters\.some/, () => '((q.prepare && !options.asked) || parameters.some'],
];

const FIFTH_MARK = '/* lethe: written together, synchronised once */';
// After each Sync the server writes its answers, and each writing and reading costs more than most statements. Of a
// transaction's kept statements that go out in one write only the last has its Sync, so that all answers come at once.
// After one that fails the server passes over the others, which fail with it.
const FIFTH_EDITS = [
  [/ {4}, nextWriteTimer = null\n/, (found) => `${found}    , unwritten = null ${FIFTH_MARK}\n`],
  [
    / {6}return write\(toBuffer\(q\)\)\n/,
    () => `      const message = toBuffer(q)
      const kept = q.prepare && !q.options.simple && !q.describeFirst && !q.cursorFn
      if (kept && unwritten && options.asked && connection.reserved && !connection.reserved.release) {
        chunk = chunk.subarray(0, -Sync.length)
        unwritten.joined = true
      }
      unwritten = kept ? q : null
      return write(message)
`,
  ],
  // Else a long one would part what belongs together.
  [/if \(fn \|\| chunk\.length >= 1024\)\n/, () => 'if (fn || (chunk.length >= 1024 && !unwritten))\n'],
  [/ {4}const x = socket\.write\(chunk, fn\)\n/, (found) => `    unwritten = null\n${found}`],
  // The answer to the next one follows, without a word between.
  [
    / {4}if \(query\.options\.simple\)\n {6}return BindComplete\(\)\n/,
    (found) => `${found}
    if (query.joined) {
      query.resolve(result)
      result = new Result()
      query = sent.shift()
      query.active = true
      return
    }
`,
  ],
  // Not tried again, since the transaction has failed; but what cannot be used any more is prepared anew the next time.
  [
    / {6}if \(errorResponse\) \{\n {8}query\.retried\n/,
    () => `      if (errorResponse && query.joined) {
        retryRoutines.has(errorResponse.routine) && delete statements[query.signature]
        for (; query.joined; query = sent.shift())
          queryError(query, errorResponse)
        queryError(query, errorResponse)
      } else if (errorResponse) {
        query.retried
`,
  ],
];

const SIXTH_MARK = '/* lethe: begins together with what follows */';
// BEGIN waited for its answer. `together`: it goes out with the first kept statements, which the server passes over
// when it fails. What comes later waits for it, or fails too. Outside a transaction it would be for good, and the
// connection may have been given to another one by then.
const SIXTH_EDITS = [
  [/ {6}, prepare = null\n/, (found) => `${found}      , begun ${SIXTH_MARK}\n      , written = false\n`],
  [
    / {6}await sql\.unsafe\('begin ' \+ options\.replace\(\/\[\^a-z \]\/ig, ''\), \[\], \{ onexecute \}\)\.execute\(\)\n/,
    (found) => `      if (sql.options.together) {
        await new Promise((resolve, reject) => {
          begun = sql.unsafe('begin ' + options.replace(/[^a-z ]/ig, ''), [], {
            prepare: true,
            simple: false,
            onexecute: c => (onexecute(c), resolve())
          }).execute()
          begun.then(() => begun = null, reject)
        })
        move(connection, reserved)
        setImmediate(() => written = true)
      } else {
  ${found}      }
`,
  ],
  [
    / {8}q\.catch\(e => uncaughtError \|\| \(uncaughtError = e\)\)\n/,
    (found) => `${found}        if (begun && written)
          return begun.then(() => handler(q), e => q.reject(e))

`,
  ],
];

const FILES = {
  'connection.js': [
    [MARK, EDITS],
    [SECOND_MARK, SECOND_EDITS],
    [THIRD_MARK, THIRD_EDITS],
    [FOURTH_MARK, FOURTH_EDITS],
    [FIFTH_MARK, FIFTH_EDITS],
  ],
  // Last: src/store/client.ts opens no database unless this mark is there, and then the others are.
  'index.js': [[SIXTH_MARK, SIXTH_EDITS]],
};

/** The driver that Lethe imports: below it, or beside it where a package manager puts dependencies side by side. */
function driver() {
  const found = createRequire(import.meta.url).resolve('postgres');
  return found.slice(0, found.lastIndexOf(join(sep, 'cjs', 'src', 'index.js')));
}

const folder = driver();
for (const [name, all] of Object.entries(FILES))
  for (const path of [`src/${name}`, `cjs/src/${name}`]) {
    const file = join(folder, path);
    if (!existsSync(file)) continue;
    let source = readFileSync(file, 'utf8');
    const missing = all.flatMap(([mark, edits]) => (source.includes(mark) ? [] : edits));
    for (const [pattern, edit] of missing) {
      const count = [...source.matchAll(new RegExp(pattern, 'g'))].length;
      if (count !== (pattern.global ? 2 : 1)) {
        process.stderr.write(`lethe: ${path} of postgres has changed; see docs/decisions/003-driver-patch.md\n`);
        process.exit(1);
      }
      source = source.replace(pattern, edit);
    }
    if (missing.length === 0) continue;
    // A new file in its place: package managers share one among projects, as a hard link to their store.
    writeFileSync(`${file}.lethe`, source);
    renameSync(`${file}.lethe`, file);
  }
