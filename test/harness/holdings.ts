/** A try of a call, as a partner heard it. */
export type Told = { id: string; account: string; at: number };

/** What a partner outside holds of accounts, and what it was told. It stays through all that happens to its server. */
export class Holdings {
  readonly name: string;
  readonly told: Told[] = [];
  /** The ledger counts what is deleted; else a call is one. */
  readonly countsThings: boolean = false;
  private readonly things = new Map<string, number>();
  private readonly gone = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  give(accounts: readonly string[], things: number): void {
    for (const account of accounts) this.things.set(account, things);
  }

  /** Test data of an account that is nobody's: planting twice is planting once. */
  plant(account: string, things: number): void {
    if (!this.gone.has(account)) this.things.set(account, things);
  }

  has(account: string): number {
    return this.things.get(account) ?? 0;
  }

  /** When the last thing of an account went, in milliseconds of the clock; undefined: it is still there. */
  goneAt(account: string): number | undefined {
    return this.gone.get(account);
  }

  protected noteGone(account: string): void {
    if (!this.gone.has(account)) this.gone.set(account, Date.now());
  }

  hear(id: string, account: string): void {
    this.told.push({ id, account, at: Date.now() });
  }

  /** Erases an account. False: nothing was there any more. */
  erase(account: string): boolean {
    const had = this.has(account) > 0;
    this.things.delete(account);
    if (had) this.noteGone(account);
    return had;
  }
}
