/** Transfer syntaxes: what a UID says of the data set's layout (PS3.5 10 and A, PS3.6 A). */
import type { TransferSyntax } from './data-set.ts';

export const IMPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2';
export const EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1';
export const EXPLICIT_VR_BIG_ENDIAN = '1.2.840.10008.1.2.2';
export const DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = '1.2.840.10008.1.2.1.99';
export const JPEG_2000_LOSSLESS = '1.2.840.10008.1.2.4.90';
/** High-Throughput JPEG 2000, lossless only. */
export const HTJ2K_LOSSLESS = '1.2.840.10008.1.2.4.201';

const LAYOUT = { explicitVR: true, bigEndian: false, deflated: false, encapsulated: false };

/** Those whose layout is not that of Explicit VR Little Endian with encapsulated pixel data. */
const NATIVE: Readonly<Record<string, Omit<TransferSyntax, 'uid'>>> = {
  [IMPLICIT_VR_LITTLE_ENDIAN]: { ...LAYOUT, explicitVR: false },
  [EXPLICIT_VR_LITTLE_ENDIAN]: LAYOUT,
  [EXPLICIT_VR_BIG_ENDIAN]: { ...LAYOUT, bigEndian: true },
  [DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN]: { ...LAYOUT, deflated: true },
  // JPIP Referenced, JPIP HTJ2K Referenced: the pixels are elsewhere (PS3.5 A.6, A.7)
  '1.2.840.10008.1.2.4.94': LAYOUT,
  '1.2.840.10008.1.2.4.95': { ...LAYOUT, deflated: true },
  '1.2.840.10008.1.2.4.204': LAYOUT,
  '1.2.840.10008.1.2.4.205': { ...LAYOUT, deflated: true },
};

/** Encapsulated Uncompressed, RLE, Deflated Image Frame, and the JPEG, JPEG-LS, JPEG 2000, MPEG, HTJ2K and JPEG XL family (PS3.5 A.4). */
const ENCAPSULATED = /^1\.2\.840\.10008\.1\.2\.(1\.98|4\.[1-9][0-9]{1,2}|5|8\.1)$/;

/** The layout of a transfer syntax; undefined for those that are private, or not of a file (PS3.5 A). */
export function transferSyntaxOf(uid: string): TransferSyntax | undefined {
  const native = Object.hasOwn(NATIVE, uid) ? NATIVE[uid] : undefined;
  if (native !== undefined) return { uid, ...native };
  return ENCAPSULATED.test(uid) ? { uid, ...LAYOUT, encapsulated: true } : undefined;
}
