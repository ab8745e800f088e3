import { createHash } from 'node:crypto';
import type { Got, Reply, Service } from './service.ts';

const KEY = '0123456789abcdef0123456789abcdef-us1';
const LIST = 'a1b2c3d4e5';

const problem = (status: number, title: string, detail: string): Reply => ({
  status,
  body: { type: 'https://mailchimp.com/developer/marketing/docs/errors/', title, status, detail, instance: '995c5cb0' },
  headers: { 'content-type': 'application/problem+json; charset=utf-8' },
});

/** https://mailchimp.com/developer/marketing/api/list-members/delete-list-member/ (actions/delete-permanent) */
export function mailchimp(): Service {
  /** By the MD5 of the address in lower case, as it tells members apart. */
  const members = new Set<string>();
  const hash = (email: string) => createHash('md5').update(email.toLowerCase()).digest('hex');
  return {
    origin: 'https://us1.api.mailchimp.com',
    env: { MAILCHIMP_KEY: KEY },
    add: (who) => void members.add(hash(who)),
    has: (who) => members.has(hash(who)),
    reply({ method, path, headers }: Got): Reply {
      const [scheme, credential = ''] = (headers.authorization ?? '').split(' ');
      const password = Buffer.from(credential, 'base64').toString('utf8').split(':')[1];
      if (scheme !== 'Basic' || password !== KEY)
        return problem(
          401,
          'API Key Invalid',
          "Your API key may be invalid, or you've attempted to access the wrong datacenter.",
        );
      const [version, lists, list, of, member = '', ...action] = path;
      const isRoute =
        version === '3.0' && lists === 'lists' && of === 'members' && action.join('/') === 'actions/delete-permanent';
      if (!isRoute || list !== LIST)
        return problem(404, 'Resource Not Found', 'The requested resource could not be found.');
      if (method !== 'POST')
        return problem(405, 'Method Not Allowed', 'The requested method and resource are not compatible.');
      if (!members.delete(member))
        return problem(404, 'Resource Not Found', 'The requested resource could not be found.');
      return { status: 204 };
    },
  };
}
