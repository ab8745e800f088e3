import type { Context } from '../../erasure/model/context.ts';
import { erasureResource } from '../../http/bodies/representation.ts';
import { heldWords, readErasure, stateIn } from './erasure-words.ts';
import { json, painter, type Terminal } from './terminal.ts';

/** Prints what an erasure is after something was done with it. */
export async function printErasure(
  ctx: Context,
  id: string,
  terminal: Terminal,
  options: { json?: true },
): Promise<void> {
  const { erasure, progress } = await readErasure(ctx, id);
  if (options.json) {
    terminal.out.write(`${json(erasureResource(erasure, progress, true), 2)}\n`);
    return;
  }
  const paint = painter(terminal.out);
  const held = erasure.heldAt ? paint('yellow', `, on hold ${heldWords(erasure)}`) : '';
  terminal.out.write(`Erasure ${erasure.id} is ${stateIn(paint, erasure.state)}${held}.\n`);
}
