/** The part of dcmjs that is used: the dictionary alone. The package itself ships no types. */
declare module 'dcmjs/dictionary' {
  interface DictionaryEntry {
    readonly tag?: string;
    readonly vr?: string;
    readonly name?: string;
    readonly vm?: string;
    readonly version?: string;
  }
  /** By `(GGGG,EEEE)`; repeating groups as `(6000-60FF,3000)`, private elements as `(gggg,"CREATOR",ee)`. */
  const dictionary: Readonly<Record<string, DictionaryEntry>>;
  export default dictionary;
}
