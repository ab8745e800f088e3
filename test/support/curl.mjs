// What the pages need of curl, for machines that have only Node: prints status, headers and body; -N prints the first event.
// An option that it does not know is an error, so that no snippet asks for what nothing checks.
const [, , ...given] = process.argv;
const init = { method: 'GET', headers: new Headers() };
let url = '';
let fail = false;
let stream = false;
const words = given.flatMap((word) => (/^-[fsSN]+$/.test(word) ? [...word.slice(1)].map((c) => `-${c}`) : [word]));
for (let word = words.shift(); word !== undefined; word = words.shift()) {
  if (word === '-X') init.method = words.shift();
  else if (word === '-d') init.body = words.shift();
  else if (word === '-H') init.headers.append(...words.shift().split(': '));
  else if (word === '--retry') words.shift();
  else if (word === '-f') fail = true;
  else if (word === '-N') stream = true;
  else if (/^-[sS]$/.test(word)) continue;
  else if (word.startsWith('-')) throw new Error(`curl: ${word} is not known here`);
  else url = word;
}
const answer = await fetch(/^https?:/.test(url) ? url : `http://${url}`, init);
console.log(answer.status);
for (const [name, value] of answer.headers) console.log(`${name}: ${value}`);
if (stream) {
  const { value } = await answer.body.getReader().read();
  console.log(new TextDecoder().decode(value));
} else console.log(await answer.text());
process.exit(fail && !answer.ok ? 22 : 0);
