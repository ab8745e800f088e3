import { createHash } from 'node:crypto';

/** What another system holds in memory: things by account. */
export class Things {
  private readonly of = new Map<string, string[]>();
  private made = 0;

  add(accounts: readonly string[], things: number): void {
    for (let n = 0; n < things; n++)
      for (const account of accounts) this.of.set(account, [...(this.of.get(account) ?? []), `thing ${++this.made}`]);
  }

  count(account: string): number {
    return this.of.get(account)?.length ?? 0;
  }

  checksum(account: string): string {
    return createHash('sha256')
      .update(JSON.stringify(this.of.get(account) ?? []))
      .digest('hex');
  }

  /** Forgets an account. Returns how much went. */
  forget(account: string): number {
    const went = this.count(account);
    this.of.delete(account);
    return went;
  }
}
