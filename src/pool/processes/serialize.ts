// Messages as bytes, in the engine's own format for structured clones, so that a value that crosses to a process comes out as
// one that crosses to a thread. Node's `v8.serialize` would differ: it gives views over the whole received buffer, and Buffers.
import { Deserializer, Serializer } from "node:v8";

/** The bytes of a message. Throws the engine's error for what it cannot clone, which the codec has refused before. */
export function serialize(message: unknown): Buffer {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(message);
  return serializer.releaseBuffer();
}

/** The message that `serialize` made bytes of. */
export function deserialize(bytes: Uint8Array): unknown {
  const deserializer = new Deserializer(bytes);
  deserializer.readHeader();
  return deserializer.readValue();
}
