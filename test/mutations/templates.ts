import type { Mutation } from './mutation.ts';

const TEMPLATE = 'test/unit/request-template.test.ts';
const ANSWERS = 'test/unit/request-answers.test.ts';
const CHECK = 'test/unit/request-check.test.ts';
const REQUEST = 'test/integration/partners-request.test.ts';

const inUrl = (find: string, replace: string) => ({ file: 'src/locations/request/url.ts', find, replace });
const inValues = (find: string, replace: string) => ({ file: 'src/locations/request/values.ts', find, replace });
const inJudge = (find: string, replace: string) => ({ file: 'src/locations/request/judge.ts', find, replace });
const inSend = (find: string, replace: string) => ({ file: 'src/locations/request/send.ts', find, replace });

/** Services that are called by templates of the catalog. */
export const TEMPLATES: readonly Mutation[] = [
  {
    name: 'values-leave-their-segment',
    breaks: 'nobody else is touched: what a user has written names no other place of a service',
    edits: [inUrl('percentEncode(textOf(slot, told))', 'textOf(slot, told)')],
    tests: [TEMPLATE],
  },
  {
    name: 'dots-that-climb',
    breaks: 'nobody else is touched: a value of dots names no other place of a service',
    edits: [inUrl('if (slot && DOTS.test(said))', 'if (slot && said === undefined)')],
    tests: [TEMPLATE],
  },
  {
    name: 'missing-values-left-out',
    breaks: 'nobody else is touched: a request about nobody is not one about all',
    edits: [inValues("if (value === null || value === '')", 'if (value === null)')],
    tests: [TEMPLATE],
  },
  {
    name: 'a-page-is-success',
    breaks: 'exact: only an answer that says so means that data is gone',
    edits: [inJudge('if (isPage(body)) return', 'if (isPage(body) && status > 499) return')],
    tests: [ANSWERS],
  },
  {
    name: 'json-of-an-answer-not-looked-at',
    breaks: 'exact: a route that answers 404 to everything has deleted nothing',
    edits: [inJudge('if (missing === undefined && !other) return null;', 'if (missing === undefined) return null;')],
    tests: [ANSWERS],
  },
  {
    name: 'keys-asked-from-the-start-again',
    breaks: 'exact: what was asked and answered is recorded, and counted once',
    edits: [inSend('const from = reached(call.cursor ?? []);', 'const from = reached([]);')],
    tests: [REQUEST],
  },
  {
    name: 'found-by-the-key-of-somebody-new',
    breaks: 'nobody else is touched: whoever has the key by then keeps their data',
    edits: [
      { file: 'src/locations/request/check.ts', find: '&& names.some(isKey);', replace: '&& names.length === 0;' },
    ],
    tests: [CHECK],
  },
];
