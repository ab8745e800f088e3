import { z } from 'zod';
import { type DeclaredPartner, pacingShape } from '../outside/declare.ts';
import { keyProblem, prefixProblem } from './names.ts';

/** A value that stands in the environment, and never in the catalog. */
const fromEnvironment = z
  .string()
  .regex(/^env:[A-Za-z_][A-Za-z0-9_]*$/, 'expected the name of a variable of the environment, such as env:S3_KEY');

const endpoint = z.string().refine((text) => {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return false;
  const { username, password, search, hash } = new URL(text);
  return username + password + search + hash === '';
}, 'expected the address of an S3 service, such as https://s3.example.com, without a user and without a query');

/** The words of a check as an issue of the schema. */
const without = (problemOf: (text: string) => string | undefined) => (text: string, ctx: z.RefinementCtx) => {
  const problem = problemOf(text);
  if (problem) ctx.addIssue(problem);
};

/** What an entry says below `s3:`. */
export const asks = z.strictObject({
  bucket: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/, 'expected the name of a bucket, such as app-media')
    .describe('The bucket that holds the files.'),
  prefix: z
    .string()
    .superRefine(without(prefixProblem))
    .optional()
    .describe('All files of the account begin so: avatars/{account}/.'),
  key: z
    .string()
    .superRefine(without(keyProblem))
    .optional()
    .describe('With each: the key of a file. {key} is the value of the row, {account} the key of the account.'),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,64}$/, 'expected a region such as eu-central-1')
    .optional()
    .describe('Where the bucket is. Default: AWS_REGION, or us-east-1 where an endpoint is named.'),
  endpoint: endpoint.optional().describe('Another service that speaks S3. Default: that of AWS.'),
  pathStyle: z
    .boolean()
    .optional()
    .describe('The bucket stands in the path, not in the host. Default: true where an endpoint is named.'),
  credentials: z
    .strictObject({
      key: fromEnvironment,
      secret: fromEnvironment,
      session: fromEnvironment.optional(),
    })
    .optional()
    .describe('Variables of the environment. Default: the credentials that the AWS SDK finds.'),
  ...pacingShape,
});

export type S3 = z.infer<typeof asks>;

/** How a store is reached. */
export type Reach = Pick<S3, 'region' | 'endpoint' | 'pathStyle' | 'credentials'>;

/** What is wrong with an entry as a whole, in words. */
export function entryProblems(s3: S3, { each, select }: Pick<DeclaredPartner, 'each' | 'select'>): string[] {
  const problems: string[] = [];
  if (each === undefined && s3.prefix === undefined)
    problems.push('say which files are the account\'s: s3: { prefix: "avatars/{account}/" }, or each: media.file_key');
  if (each !== undefined && s3.prefix !== undefined)
    problems.push('files are found by s3.prefix or by each, not by both: make two partners of it');
  if (each === undefined && s3.key !== undefined) problems.push('s3.key needs each: media.file_key');
  if (select !== undefined) problems.push("select: files are found by the account's key, or by each");
  return problems;
}

/** The variable that `env:NAME` stands for. */
export const nameOf = (written: string): string => written.slice('env:'.length);

/** Names of the variables that these calls need. */
export function variablesOf({ credentials, region, endpoint }: Reach): string[] {
  const { key, secret, session } = credentials ?? {};
  const named = [key, secret, session].filter((written) => written !== undefined).map(nameOf);
  return region === undefined && endpoint === undefined ? [...named, 'AWS_REGION'] : named;
}
