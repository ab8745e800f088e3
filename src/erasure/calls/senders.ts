import { type AskedLocation, isAsked, type Sender, type SenderTools } from '../../locations/asked.ts';
import { kindOf } from '../../locations/kinds/ask.ts';
import type { Kinds } from '../../locations/kinds/registry.ts';
import type { Context } from '../model/context.ts';

/** The senders of this process, each opened when its kind is asked for the first time. */
export class Senders {
  readonly #kinds: Kinds;
  readonly #tools: SenderTools;
  readonly #opened = new Map<string, Sender>();

  constructor(kinds: Kinds, tools: SenderTools) {
    this.#kinds = kinds;
    this.#tools = tools;
  }

  of(location: AskedLocation): Sender {
    const opened = this.#opened.get(location.kind) ?? this.#open(location);
    this.#opened.set(location.kind, opened);
    return opened;
  }

  #open(location: AskedLocation): Sender {
    const { outside } = kindOf(this.#kinds, location);
    if (!outside) throw new Error(`nobody is asked for ${location.name}`);
    return outside.open(this.#tools);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#opened.values()].map((sender) => sender.close()));
    this.#opened.clear();
  }
}

/** What keeps partners from being asked, a line for each: variables that are not set, or what their kind finds. */
export function findUnaskable(
  { catalog, kinds }: Pick<Context, 'catalog' | 'kinds'>,
  tools: Pick<SenderTools, 'variable' | 'privateHosts'>,
): string[] {
  return catalog.locations.filter(isAsked).flatMap((location) => {
    const { outside } = kindOf(kinds, location);
    const missing = (outside?.variablesOf(location) ?? []).filter((name) => tools.variable(name) === undefined);
    if (missing.length > 0) return [`${missing.join(', ')}: required by the partner ${location.name}`];
    return (outside?.problemsOf?.(location, tools) ?? []).map((words) => `${location.name}: ${words}`);
  });
}

/** Partners of which nobody would notice that they erase nothing, a line for each. For a catalog that plants test data. */
export function findUnplanted({ catalog, kinds }: Pick<Context, 'catalog' | 'kinds'>): string[] {
  return catalog.locations.filter(isAsked).flatMap((location) => {
    const words = kindOf(kinds, location).outside?.unplanted?.(location);
    return words ? [`${location.name}: ${words}`] : [];
  });
}
