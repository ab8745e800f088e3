/** Why a statement was not run to its end. `again`: another try may succeed. Its words hold no value. */
export class NotPlanted extends Error {
  readonly again: boolean;
  constructor(words: string, again = false) {
    super(words);
    this.again = again;
  }
}
