/** Figures as people read them. */

/** 1536 MiB is "1.5 GiB". */
export function size(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let rest = bytes;
  let unit = 0;
  while (rest >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit += 1;
  }
  return `${Number(rest.toFixed(1))} ${units[unit]}`;
}

/** 5400 s is "1.5 h". */
export function time(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`;
  if (seconds < 120) return `${Number(seconds.toFixed(1))} s`;
  if (seconds < 7_200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800
    ? `${Number((seconds / 3_600).toFixed(1))} h`
    : `${Math.round(seconds / 86_400)} days`;
}

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

export const MIB = 1024 ** 2;
export const GIB = 1024 ** 3;
