"""A child as an HL7 FHIR R4 Patient (4.0.1), out and in."""
