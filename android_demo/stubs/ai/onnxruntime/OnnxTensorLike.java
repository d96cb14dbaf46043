package ai.onnxruntime;

/** Stand-in for type checking, never packed. */
public abstract class OnnxTensorLike implements OnnxValue {}
