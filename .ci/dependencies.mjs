// What we depend on: known holes (npm audit), and licences. Part of `npm run check`; needs the registry for the first.
// Where there is no registry to ask, AUDIT_OFFLINE=1 says so, and the check says so too; it never passes silently.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';

/** Advisories that are no danger here: id -> why. An entry that no package has any more is a fault. */
const ACCEPTED = {};

/** Licences that let us ship the package in a program that is not open: no copyleft that would reach our own code. */
const LICENCES = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'CC0-1.0',
  'CC-BY-4.0', // data
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
  'Unlicense',
  'Zlib',
]);
/** Packages with another one, or none in their package.json: [name, licence as it is said, why it may stay]. */
const EXCEPTIONS = [
  [
    /^@visx\/vendor$/,
    'MIT and ISC',
    'both are on the list, but not said as SPDX; of the studio that prisma brings along',
  ],
  [
    /^elkjs$/,
    'EPL-2.0',
    'of the studio that prisma brings along: neither loaded, nor in the bundle',
  ],
  [/^lightningcss(-|$)/, 'MPL-2.0', 'of vite, for tests alone; used as it is, and not shipped'],
  [
    /^seq-queue$/,
    'none named',
    'MIT by its LICENSE file; of the MySQL driver that prisma brings along, not loaded',
  ],
];

const faults = [...licences(), ...(await audit())];
for (const fault of faults) console.error(`- ${fault}`);
if (faults.length > 0) process.exit(1);

function licences() {
  const { packages } = JSON.parse(readFileSync('package-lock.json', 'utf8'));
  const found = [];
  const used = new Set();
  let count = 0;
  for (const [path, entry] of Object.entries(packages)) {
    if (path === '' || entry.link) continue;
    count += 1;
    const name = path.split('node_modules/').at(-1);
    const licence = entry.license ?? manifestLicence(path) ?? 'none named';
    if (isFree(licence)) continue;
    const exception = EXCEPTIONS.find(([of, said]) => of.test(name) && said === licence);
    if (exception) used.add(exception);
    else found.push(`${name} ${entry.version} has the licence ${licence}`);
  }
  for (const exception of EXCEPTIONS)
    if (!used.has(exception)) found.push(`the licence exception for ${exception[0]} is not needed`);
  console.log(`licences: ${count} packages, ${used.size} exceptions`);
  return found;
}

/** SPDX: of alternatives one will do, of all together each must. */
function isFree(licence) {
  const plain = String(licence).replace(/[()]/g, '');
  return plain
    .split(' OR ')
    .some((choice) => choice.split(' AND ').every((one) => LICENCES.has(one.trim())));
}

/** Packages for other systems are in the lock file, but not here. */
function manifestLicence(path) {
  try {
    const { license, licenses } = JSON.parse(readFileSync(`${path}/package.json`, 'utf8'));
    return license?.type ?? license ?? licenses?.[0]?.type;
  } catch {
    return undefined;
  }
}

async function audit() {
  const report = await npmAudit();
  if (report.vulnerabilities === undefined) {
    const why = String(report.message ?? report.error?.summary ?? 'no report came').split('\n')[0];
    if (process.env.AUDIT_OFFLINE !== '1')
      return [`npm audit could not be asked: ${why}. Offline on purpose: AUDIT_OFFLINE=1`];
    console.log(`audit: NOT DONE, as AUDIT_OFFLINE=1 says (${why})`);
    return [];
  }
  const found = [];
  const seen = new Set();
  for (const { name, via } of Object.values(report.vulnerabilities)) {
    for (const advisory of via) {
      if (typeof advisory === 'string') continue; // named where it comes from
      const id = String(advisory.url ?? advisory.source)
        .split('/')
        .at(-1);
      seen.add(id);
      if (!(id in ACCEPTED)) found.push(`${name}: ${advisory.severity}: ${advisory.title} (${id})`);
    }
  }
  for (const id of Object.keys(ACCEPTED))
    if (!seen.has(id)) found.push(`the exception for ${id} is not needed any more`);
  console.log(`audit: ${seen.size} advisories, ${Object.keys(ACCEPTED).length} accepted`);
  return found;
}

/** It exits with 1 for findings, and answers JSON in both cases. */
async function npmAudit() {
  const options = { maxBuffer: 64 * 1024 * 1024 };
  const { stdout } = await promisify(execFile)('npm', ['audit', '--json'], options).catch(
    (error) => error,
  );
  try {
    return JSON.parse(stdout);
  } catch {
    return { message: 'npm did not answer with JSON' };
  }
}
