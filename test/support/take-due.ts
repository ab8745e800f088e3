import { DUE_MAILS } from '../../src/mail/due-mails.ts';
import { connect } from '../../src/store/client.ts';
import { takeDue } from '../../src/store/take-due.ts';

// A process that takes due mails until none is left, as a worker's reconcile would. It begins when it is told to on
// standard input, and prints the ids that it got.
const [url = ''] = process.argv.slice(2);
const { db, close } = connect(url, { max: 1, applicationName: 'take-due' });
const take = (got: string[]) => takeDue(db, DUE_MAILS, async (id) => got.push(id) > 0);
await take([]);
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));
const got: string[] = [];
while ((await take(got)) > 0);
process.stdout.write(`${JSON.stringify(got)}\n`);
await close();
process.exit();
