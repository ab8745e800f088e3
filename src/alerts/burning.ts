/** What is used of a deadline, where it is failing, and what shows that something was done: PromQL, one value each. */
type Burning = { used: string; failing: string; done: readonly string[] };

/**
 * More than half of the deadline is used, and it does not get better. Either something fails: for most of the last hour,
 * and during all of the last five minutes. Or the use has only grown for an hour, with nothing done.
 */
export function burningFast({ used, failing, done }: Burning): string {
  const anything = done.map((counted) => `sum(increase(${counted}[1h])) > 0`).join(' or ');
  return `${used} > 0.5 and (
  (avg_over_time((${failing} > bool 0)[1h:1m]) > 0.5 and min_over_time(${failing}[5m:1m]) > 0)
  or (
    (resets(${used}[1h:1m]) == 0 and delta(${used}[1h:1m]) > 0 and delta(${used}[5m:1m]) > 0)
    unless (${anything})
  )
)`;
}

/**
 * More than four fifths of the deadline are used, for half an hour. Over six hours it was so on average, or the use has
 * only grown. So one task that is done at the last moment is not told.
 */
export function burningSlow({ used }: Pick<Burning, 'used'>): string {
  return `min_over_time(${used}[30m:1m]) > 0.8
  and (avg_over_time(${used}[6h:5m]) > 0.8 or resets(${used}[6h:5m]) == 0)`;
}
