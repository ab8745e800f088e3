import type { Compiled, Headers } from './compile.ts';
import { percentEncode } from './filters.ts';
import { sayUrl } from './url.ts';
import { plain, type Telling, Unsayable } from './values.ts';

/** A request as it goes out. */
export type Said = {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
};

/** What a header may hold here: what every server reads in one way. No value ends a header, or begins another. */
const VISIBLE = /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/;

/** Says one request. Throws Unsayable where a value cannot stand in its place. */
export function sayRequest({ method, url, headers, basic, body, form }: Compiled, told: Telling): Said {
  const content = body
    ? { type: 'application/json', text: JSON.stringify(body(told)) }
    : form
      ? { type: 'application/x-www-form-urlencoded', text: sayForm(form, told) }
      : undefined;
  return {
    method,
    url: sayUrl(url, told),
    headers: {
      accept: 'application/json',
      ...(content ? { 'content-type': content.type } : {}),
      ...(basic ? { authorization: sayBasic(basic, told) } : {}),
      ...sayHeaders(headers, told),
    },
    ...(content ? { body: content.text } : {}),
  };
}

/** Says the look-up of a job. */
export function sayLookUp({ url, headers }: NonNullable<Compiled['follow']>, told: Telling): Said {
  return {
    method: 'GET',
    url: sayUrl(url, told),
    headers: { accept: 'application/json', ...sayHeaders(headers, told) },
  };
}

function sayHeaders(headers: Headers, told: Telling): Record<string, string> {
  return Object.fromEntries(
    headers.map(([name, template]) => {
      const text = plain(template, told);
      if (!VISIBLE.test(text)) throw new Unsayable(`the header ${name} would have a character that no header can have`);
      return [name.toLowerCase(), text] as const;
    }),
  );
}

/** RFC 7617, in UTF-8. */
function sayBasic({ user, password }: NonNullable<Compiled['basic']>, told: Telling): string {
  return `Basic ${Buffer.from(`${plain(user, told)}:${plain(password, told)}`, 'utf8').toString('base64')}`;
}

const sayForm = (form: Headers, told: Telling): string =>
  form.map(([name, template]) => `${percentEncode(name)}=${percentEncode(plain(template, told))}`).join('&');
