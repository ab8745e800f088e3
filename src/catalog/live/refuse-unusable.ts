import { LetheError } from '../../errors.ts';

/** Refuses while a location cannot be erased: nobody could say that nothing is left. */
export function refuseUnusable({ drift }: { readonly drift: { readonly unusable: readonly string[] } }): void {
  if (drift.unusable.length > 0)
    throw new LetheError(
      'catalog_invalid',
      `${drift.unusable.join('; ')}: mend that or the catalog, then restart, and replay`,
    );
}
