import type { Got, Reply, Service } from './service.ts';

const KEY = 'sk_test_4eC39HqLyjWDarjtT1zdp7dc';

const failed = (status: number, error: object): Reply => ({ status, body: { error } });

/** https://docs.stripe.com/api/customers/delete, https://docs.stripe.com/api/errors */
export function stripe(): Service {
  const customers = new Set<string>();
  return {
    origin: 'https://api.stripe.com',
    env: { STRIPE_KEY: KEY },
    add: (who) => void customers.add(who),
    has: (who) => customers.has(who),
    reply({ method, path, headers }: Got): Reply {
      if (headers.authorization !== `Bearer ${KEY}`)
        return failed(401, { type: 'invalid_request_error', message: 'Invalid API Key provided: sk_test_********' });
      const [version, resource, id, ...more] = path;
      if (method !== 'DELETE' || version !== 'v1' || resource !== 'customers' || !id || more.length > 0)
        return failed(404, {
          type: 'invalid_request_error',
          message: `Unrecognized request URL (${method}: /${path.join('/')}).`,
        });
      if (!customers.delete(id))
        return failed(404, {
          type: 'invalid_request_error',
          code: 'resource_missing',
          doc_url: 'https://stripe.com/docs/error-codes/resource-missing',
          message: `No such customer: '${id}'`,
          param: 'id',
        });
      return { status: 200, body: { id, object: 'customer', deleted: true } };
    },
  };
}
