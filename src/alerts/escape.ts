/** What does not print, or hides, or reorders text: no reader of a file would see it. YAML allows few of them. */
const HIDDEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cn}]/gu;

/** Half of a pair is no character: encoded as UTF-8 it is U+FFFD, here as in what Lethe exports. */
const whole = (text: string): string => text.replace(/\p{Cs}/gu, '\ufffd');

const hex = (code: number): string =>
  code > 0xffff ? `\\U${code.toString(16).padStart(8, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;

const hidden = (char: string): string => (char === '\n' ? '\\n' : hex(char.codePointAt(0) ?? 0));

/**
 * A text as a string of PromQL, in its quotes. Its escapes are those of Go. `$` and `[` are written as codes:
 * Grafana would put the value of a variable there.
 */
export const promqlText = (text: string): string =>
  `"${whole(text)
    .replace(/["\\]/g, '\\$&')
    .replace(HIDDEN, hidden)
    .replace(/[$[]/g, (char) => hex(char.charCodeAt(0)))}"`;

/** A regular expression in PromQL's quotes that fits these texts only (RE2, which Prometheus anchors at both ends). */
export const promqlAnyOf = (texts: readonly string[]): string =>
  promqlText(texts.map((text) => text.replace(/[\\.+*?()|[\]{}^$]/g, '\\$&')).join('|'));

/** A text that a Go template prints as it is. Every brace is escaped: a lone one may stand before a brace of ours. */
export const templateText = (text: string): string => whole(text).replaceAll('{', '{{ "{" }}');

/** A matcher of Alertmanager: `owner="…"`. Its two parsers, of 0.22 and 0.27, both know these three escapes. */
export const matcher = (label: string, value: string): string =>
  `${label}="${whole(value).replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;

/** A text in double quotes that YAML 1.1 and 1.2 read back. */
export const yamlText = (text: string): string => `"${whole(text).replace(/["\\]/g, '\\$&').replace(HIDDEN, hidden)}"`;

/** A title in Grafana: an invisible joiner behind `$` and `[` keeps it from putting the value of a variable there. */
export const titleText = (text: string): string => whole(text).replace(/[$[]/g, '$&\u2060');
