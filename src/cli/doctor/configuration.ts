/** The files of the configuration: who else may read the secrets in them, or change them. */
import { stat } from 'node:fs/promises';
import { defineCheck, type SettingFile } from './check.js';
import { type Judgement, notice, ok, problem, reasonOf, warning } from './finding.js';

export interface FileFacts extends SettingFile {
  /** Permission bits, or why they could not be seen. */
  readonly mode: number | string;
  readonly uid: number;
}

export interface ConfigurationFacts {
  readonly files: readonly FileFacts[];
  readonly uid: number;
  readonly jwtSecret: boolean;
  readonly encryptionKey: boolean;
}

const OTHERS = 0o007;
const OTHERS_WRITE = 0o022;

function judgeFile(facts: FileFacts, uid: number): Judgement[] {
  const { file, setting, mode } = facts;
  if (typeof mode === 'string')
    return [notice(`${file} (${setting}) could not be looked at: ${mode}`)];
  const octal = (mode & 0o777).toString(8).padStart(3, '0');
  const what = `${file} (${setting}) has mode ${octal}`;
  if (facts.holdsSecret && (mode & OTHERS) !== 0) {
    return [problem(`${what}: everybody on this machine may use the secret`, `chmod o= ${file}`)];
  }
  if ((mode & OTHERS_WRITE) !== 0) {
    return [warning(`${what}: others than its owner may change it`, `chmod go-w ${file}`)];
  }
  if (facts.uid !== 0 && facts.uid !== uid) {
    const seen = `${file} (${setting}) belongs to the user ${facts.uid}, neither root nor the one of this program`;
    return [warning(seen, `chown root ${file}`)];
  }
  return [];
}

export function judgeConfiguration(facts: ConfigurationFacts): Judgement[] {
  const findings = facts.files.flatMap((file) => judgeFile(file, facts.uid));
  if (!facts.jwtSecret) {
    findings.push(
      warning(
        'auth.jwt_secret_file is not set: sessions end with the process, and no two instances share them',
        'openssl rand -base64 48 > FILE, with mode 600, and name it in auth.jwt_secret_file.',
      ),
    );
  }
  if (!facts.encryptionKey) {
    findings.push(
      notice(
        'auth.encryption_key_file is not set: passwords of storage backends cannot be kept',
        'openssl rand -base64 48 > FILE, with mode 600, and name it in auth.encryption_key_file.',
      ),
    );
  }
  return findings.length > 0 ? findings : [ok(`${facts.files.length} files, no strangers at them`)];
}

export const configuration = defineCheck({
  name: 'configuration',
  about:
    'The files of the configuration and its secrets: readable, and by nobody else; secrets that are missing.',
  async collect({ config, files }): Promise<ConfigurationFacts> {
    const found = files.map(async (file): Promise<FileFacts> => {
      try {
        const { mode, uid } = await stat(file.file);
        return { ...file, mode, uid };
      } catch (error) {
        return { ...file, mode: reasonOf(error), uid: 0 };
      }
    });
    return {
      files: await Promise.all(found),
      uid: process.getuid?.() ?? 0,
      jwtSecret: config.auth.jwtSecret !== null,
      encryptionKey: config.auth.encryptionKey !== null,
    };
  },
  judge: judgeConfiguration,
});
