package dev.edgekit.demo;

/** Which bundles passed their self-test on this device. */
interface TestMemory {
    /** @param sha256 of the bundle's contract.json */
    boolean passed(String sha256);

    /** Called after a pass only: a failure is tried again at the next start. */
    void remember(String sha256);
}
