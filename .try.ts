import { startContractPartner } from '/tmp/w/h4/test/support/contract-partner.ts';
import { runVerb } from '/tmp/w/h4/test/support/command-line.ts';
const secret = `whsec_${Buffer.from('p'.repeat(32)).toString('base64')}`;
const partner = await startContractPartner({ secret, wrong: process.argv[2] as never, answers: process.argv[3] as never, later: process.argv[4] === 'later' });
const ran = await runVerb({ S: secret }, ['partner', 'test', partner.url, '--secret', 'S', '--canary', partner.canary, '--timeout', '1s', '--within', '2s']);
console.log(ran.out, ran.err, ran.code);
process.exit();
