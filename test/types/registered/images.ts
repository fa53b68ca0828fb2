// Jobs of a second module, which has a prefix.
export interface Resize { bytes: ArrayBuffer, width: number }
export const resize = ({ bytes, width }: Resize): Uint8Array => new Uint8Array(bytes, 0, width)
export const formats = async (): Promise<string[]> => ['png']
