package dev.edgekit.core;

import java.util.Arrays;

/** The inputs of one example: ids, mask and types, one number per token. */
public final class Row {
    private final long[] ids;
    private final long[] mask;
    private final long[] types;

    Row(long[] ids, long[] mask, long[] types) {
        this.ids = ids;
        this.mask = mask;
        this.types = types;
    }

    /** Token ids. */
    public long[] ids() {
        return ids.clone();
    }

    /** 1 for a token, 0 for filling. */
    public long[] mask() {
        return mask.clone();
    }

    /** 0 for the first text, 1 for the second, as the model was trained. */
    public long[] types() {
        return types.clone();
    }

    /** Tokens, filling included. */
    public int length() {
        return ids.length;
    }

    /** The values of a named input of the model. */
    public long[] input(String name) {
        switch (name) {
            case "input_ids":
                return ids();
            case "attention_mask":
                return mask();
            case "token_type_ids":
                return types();
            default:
                throw new BundleException("the model has an input '" + name + "' that no text gives");
        }
    }

    /** The same, filled up to a length on the contract's side. */
    public Row padTo(int length, Contract contract) {
        int gap = length - ids.length;
        if (gap < 0) {
            throw new BundleException(ids.length + " tokens do not fit " + length);
        }
        int start = contract.padsLeft() ? gap : 0;
        long[] filled = new long[length];
        Arrays.fill(filled, contract.padId());
        System.arraycopy(ids, 0, filled, start, ids.length);
        return new Row(filled, placed(mask, start, length), placed(types, start, length));
    }

    private static long[] placed(long[] values, int start, int length) {
        long[] out = new long[length];
        System.arraycopy(values, 0, out, start, values.length);
        return out;
    }
}
