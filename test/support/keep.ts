import { afterEach } from 'vitest';

/** What a test has opened, closed in reverse order when it ends. */
const opened: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** Has `thing` closed at the end of the running test, and returns it. */
export function keep<T>(thing: T, close: (thing: T) => Promise<unknown>): T {
  opened.push(() => close(thing));
  return thing;
}
