/** The certificate that the server shows, and another one as soon as its files are replaced: without a restart, and for new connections only. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createSecureContext, type SecureContextOptions } from 'node:tls';
import type { Config } from '../config/model.js';
import type { Logger } from '../log.js';
import { watchFiles } from './watched-files.js';

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Null: the server speaks plain HTTP, on this machine alone or behind a proxy. */
export function tlsFilesOf({ tlsCertFile, tlsKeyFile }: Config['server']): TlsFiles | null {
  return tlsCertFile && tlsKeyFile ? { certFile: tlsCertFile, keyFile: tlsKeyFile } : null;
}

export interface Identity {
  readonly options: SecureContextOptions;
  readonly certificate: X509Certificate;
}

/**
 * Certificate and key, as they belong together.
 * @throws Error that says what is wrong with them, and nothing of the key
 */
export function readIdentity({ certFile, keyFile }: TlsFiles): Identity {
  const [cert, key] = [readFileSync(certFile), readFileSync(keyFile)];
  const options: SecureContextOptions = { cert, key, minVersion: 'TLSv1.2' };
  const certificate = attempt(`${certFile} holds no certificate`, () => new X509Certificate(cert));
  const own = attempt(`${keyFile} holds no private key`, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(own))
    throw new Error(`the key in ${keyFile} is not that of the certificate in ${certFile}`);
  attempt(`${certFile} and ${keyFile} cannot be used`, () => createSecureContext(options));
  return { options, certificate };
}

function attempt<T>(otherwise: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw new Error(otherwise, { cause });
  }
}

/** Shows what is in the files from now on. A pair that is no good, or only half replaced, is logged, and the old one goes on. */
export function renewIdentity(server: Server, files: TlsFiles, log: Logger): () => void {
  return watchFiles([files.certFile, files.keyFile], () => {
    try {
      const { options, certificate } = readIdentity(files);
      server.setSecureContext(options);
      noteValidity(certificate, log);
      log.info({ ...factsOf(certificate) }, 'another certificate is shown from now on');
    } catch (err) {
      log.error({ err }, 'the certificate was changed and is no good: the old one is still shown');
    }
  });
}

const factsOf = ({ subject, validTo }: X509Certificate) => ({ subject, validTo });

/** Whoever shows such a one is refused by every careful client: better said here as well. */
export function noteValidity(certificate: X509Certificate, log: Logger): void {
  const now = Date.now();
  const valid = Date.parse(certificate.validFrom) <= now && now < Date.parse(certificate.validTo);
  if (!valid)
    log.error({ ...factsOf(certificate) }, 'the certificate is expired, or not valid yet');
}
