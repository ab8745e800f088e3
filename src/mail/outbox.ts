import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MailError, type MailProvider } from './provider.ts';

/**
 * Writes mails to a folder instead of sending them: one `.json`, `.html` and `.txt` per mail. The idempotency key names
 * the files, so a second attempt replaces the first, as a provider would drop it. A folder that cannot be written to is
 * the operator's to mend, and no mail has left meanwhile. Mails hold addresses and links that open a status page:
 * nobody but this user may read them.
 */
export function outboxProvider(folder: string): MailProvider {
  const deliver: MailProvider = async (message, idempotencyKey) => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const write = async (extension: string, content: string) => {
      const file = join(folder, `${idempotencyKey}.${extension}`);
      // A name of its own: two attempts at once would take each other's file away.
      const part = `${file}.${randomUUID()}.tmp`;
      await writeFile(part, content, { mode: 0o600 });
      await rename(part, file);
    };
    await write('html', message.html);
    await write('txt', message.text);
    await write('json', `${JSON.stringify(message, null, 2)}\n`);
    return `outbox-${idempotencyKey}`;
  };
  return (message, idempotencyKey) =>
    deliver(message, idempotencyKey).catch((error: NodeJS.ErrnoException) => {
      throw new MailError('blocked', `outbox_${error.code ?? 'error'}`);
    });
}
