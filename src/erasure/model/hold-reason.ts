const MOST = 500;

export const REASON_EXPECTED = `expected 1 to ${MOST} characters, without control characters`;

/** The database refuses U+0000, and a terminal obeys the others. Line breaks and tabs are text. */
export const isReason = (text: string): boolean =>
  text.length >= 1 && text.length <= MOST && !/[^\P{Cc}\n\t]/u.test(text);

/** Why an erasure is put on hold, as it is stored; null when it cannot be. */
export function parseReason(text: string): string | null {
  const reason = text.replaceAll('\r\n', '\n').trim();
  return isReason(reason) ? reason : null;
}
