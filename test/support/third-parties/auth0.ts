import type { Got, Reply, Service } from './service.ts';

const TOKEN = 'eyJhbGciOiJSUzI1NiJ9.e30.c2lnbmVk';

const failed = (statusCode: number, error: string, message: string): Reply => ({
  status: statusCode,
  body: { statusCode, error, message },
});

/** https://auth0.com/docs/api/management/v2/users/delete-users-by-id: an id that is unknown is answered in the same way. */
export function auth0(): Service {
  const users = new Set<string>();
  return {
    origin: 'https://your-tenant.eu.auth0.com',
    env: { AUTH0_TOKEN: TOKEN },
    add: (who) => void users.add(who),
    has: (who) => users.has(who),
    reply({ method, path, headers }: Got): Reply {
      if (headers.authorization !== `Bearer ${TOKEN}`) return failed(401, 'Unauthorized', 'Invalid token');
      const [api, version, resource, id = '', ...more] = path;
      if (method !== 'DELETE' || `${api}/${version}/${resource}` !== 'api/v2/users' || more.length > 0)
        return failed(404, 'Not Found', 'Not Found');
      if (!/^[^|]+\|.+$/.test(id))
        return failed(400, 'Bad Request', "Object didn't pass validation for format user-id");
      users.delete(id);
      return { status: 204, headers: { 'x-ratelimit-limit': '10', 'x-ratelimit-remaining': '9' } };
    },
  };
}
