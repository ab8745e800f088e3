type Answer = Readonly<Record<string, string | undefined>>;

/** No service is waited for longer than so, whatever it says. */
const MOST_MS = 86_400_000;
/** Numbers from here on are points in time (seconds since 1970), and smaller ones seconds from now. */
const EPOCH = 1_000_000_000;

/** How the headers are called that say when a limit is over: X-RateLimit-Reset, X-Regulation-RateLimit-Quota-Reset. */
const RESET = /^(x-)?([a-z]+-)*rate-?limit(-[a-z]+)*-reset$/;

/**
 * Milliseconds that a service asks to be left alone: `Retry-After` (RFC 9110), else when its limit is over. Undefined: it
 * does not say.
 */
export function pauseOf(headers: Answer, now = Date.now()): number | undefined {
  const name = ['retry-after', ...Object.keys(headers).filter((one) => RESET.test(one))].find((one) => headers[one]);
  const said = name === undefined ? '' : (headers[name] as string).trim();
  const at = /^\d{1,12}(\.\d+)?$/.test(said)
    ? Number(said) >= EPOCH
      ? Number(said) * 1000
      : now + Number(said) * 1000
    : Date.parse(said);
  return Number.isNaN(at) ? undefined : Math.min(Math.max(at - now, 0), MOST_MS);
}
