"""What a user would have otherwise: the workshop's functions as its public material describes them, and a Firehose
transform in the manner of AWS' samples. Written for comparison, as plainly as such code is."""
