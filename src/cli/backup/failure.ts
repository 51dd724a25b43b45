/** Why a backup or a restore did not happen: said to people, and in the alert. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** What stands in the way is a run that is at work: nothing of it may be tidied up. */
export class AlreadyRunning extends BackupError {}

/** An error of the file system in words; others as they are. `what`: the file or folder. */
export function explained(error: unknown, what: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const words: Record<string, string> = {
    ENOSPC: 'the disk is full',
    EDQUOT: 'the quota is used up',
    EFBIG: 'files may not be that large here',
    EROFS: 'the disk cannot be written to',
    EACCES: 'this user may not',
    EIO: 'the disk fails',
  };
  const reason = code === undefined ? undefined : words[code];
  return reason === undefined
    ? error
    : new BackupError(`Cannot write ${what}: ${reason} (${code}).`, { cause: error });
}
