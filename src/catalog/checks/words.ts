/** `accountId` and `account_id` are the same word. */
export const word = (name: string): string => name.toLowerCase().replaceAll(/[_\s-]/g, '');

const partsOf = (name: string): string[] =>
  name
    .replace(/([a-z\d])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split(/[_\s-]+/)
    .filter(Boolean);

/** True when a name is `other` or ends with its words: `target_user_id` ends with `user_id`, `repost_id` not with `post_id`. */
export function endsWithWords(name: string, other: string): boolean {
  if (word(name) === word(other)) return true;
  const ending = partsOf(other);
  return ending.length > 1 && partsOf(name).slice(-ending.length).join('_') === ending.join('_');
}

/** `accounts` → `account`, `companies` → `company`, `boxes` → `box`. */
export const singular = (name: string): string => {
  if (/ies$/i.test(name)) return name.replace(/ies$/i, 'y');
  if (/(ss|x|z|ch|sh)es$/i.test(name)) return name.slice(0, -2);
  return /[^s]s$/i.test(name) ? name.slice(0, -1) : name;
};

/** True for a name that says whose id it is. `id` and `uuid` are what any table calls its own. */
export const namesAnId = (name: string): boolean => /id$/i.test(name) && !/^(id|uuid|guid|oid)$/i.test(word(name));

const PEOPLE = new Set('author creator member owner poster recipient sender user'.split(' '));
const ROLES = new Set([
  ...PEOPLE,
  ...`account actor approver assignee assigner attendee blocked blocker buyer customer editor followed followee follower
  friend giver grantee grantor holder invitee inviter liker moderator participant payee payer person profile receiver
  referrer reporter requester reviewer seller sharer submitter subscriber u uploader viewer voter writer`.split(/\s+/),
]);

/** Names that people give to a column for an account, whatever the table of accounts is called: `uid`, `owner_id`, `created_by`. */
export const namesSomebody = (name: string): boolean =>
  PEOPLE.has(word(name)) || (/id$/i.test(name) && ROLES.has(word(name).slice(0, -2))) || isBy(name);

/** `created_by`: it names who did something, which need not be whose row it is. */
export const isBy = (name: string): boolean =>
  /(_by(_id)?|[a-z]By(Id)?)$/.test(name) && !/^(sort|order|group|filter)/i.test(name);
